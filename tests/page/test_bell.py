"""Notifications on the developer page: a bell that counts, empties, and explains."""


async def test_the_bell_counts_and_empties(pair, person):
    hers, his = pair
    carol = await person("carol")
    await hers.see("#unseen", "1")  # Bob follows her
    await hers.write("#compose textarea", "for the bell")
    await hers.click("#compose button")
    await his.click("#posts [data-kind='love']")
    await hers.see("#unseen", "2")
    post = await hers.do(hers.driver.execute_script, "return document.querySelector('#posts li').dataset.id")
    await carol.call("comment.create", post_id=post, text="hello")
    await hers.see("#unseen", "3")
    await hers.click("#bell")
    await hers.see("#notification-list .new", "bob")
    await hers.see("#notification-list .new", "carol")
    await hers.see_no("#unseen")
    await hers.click("#notification-list .why")
    await hers.see("#notification-list ul", "socket: sent")

    # A click opens what the notification is about.
    await hers.click("#notification-list .name", "carol")
    await hers.see_no("#notifications")
    await hers.see(".comments li p", "hello")
    await hers.see("#log-entries .call", "notification.mark_read")
    await hers.click("#bell")
    await hers.see("#notification-list li", "carol")
    await hers.see_no("#notification-list .new")
    assert await hers.complaints() == []


async def test_reactions_are_grouped_until_they_are_seen(pair, person):
    hers, his = pair
    carol = await person("carol")
    await hers.see("#unseen", "1")  # Bob follows her
    await hers.write("#compose textarea", "for a group")
    await hers.click("#compose button")
    await his.click("#posts [data-kind='love']")
    await hers.see("#unseen", "2")
    post = await hers.do(hers.driver.execute_script, "return document.querySelector('#posts li').dataset.id")
    await carol.call("reaction.set", target_type="post", target_id=post, kind="like")
    await hers.click("#bell")
    await hers.see("#notification-list .new:first-child", "carol")
    await hers.see("#notification-list .new:first-child", "bob")
    await hers.see("#notification-list .new:nth-child(2)", "bob")
    await hers.see_no("#notification-list li:nth-child(3)")
