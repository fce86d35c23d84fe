"""Notifications on the developer page: the bell counts, empties and explains; preferences hold some back."""

from selenium.webdriver.common.keys import Keys

from tests.browser import Browser

LIKES = "#preferred-channels [data-kind='reaction'][data-channel='socket']"


async def test_the_bell_counts_and_empties(pair, person):
    hers, his = pair
    carol = await person("carol")
    await hers.see("#unseen", "1")  # Bob follows her
    await hers.publish("for the bell")
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


async def test_reactions_are_grouped_until_they_are_seen(cluster, pair, person):
    hers, his = pair
    carol = await person("carol")
    await hers.see("#unseen", "1")  # Bob follows her
    await hers.publish("for a group")
    await his.click("#posts [data-kind='love']")
    await hers.see("#unseen", "2")
    post = await hers.do(hers.driver.execute_script, "return document.querySelector('#posts li').dataset.id")
    await carol.call("reaction.set", target_type="post", target_id=post, kind="like")
    await cluster.settle()  # a group that was seen before would be closed
    await hers.click("#bell")
    await hers.see("#notification-list .new:first-child", "carol")
    await hers.see("#notification-list .new:first-child", "bob")
    await hers.see("#notification-list .new:nth-child(2)", "bob")
    await hers.see_no("#notification-list li:nth-child(3)")
    # What is withdrawn leaves the open list.
    await carol.call("reaction.unset", target_type="post", target_id=post)
    await his.click("#posts [data-kind='love']")
    await hers.see_no("#notification-list li:nth-child(2)")
    await hers.see("#notification-list li", "bob")


async def test_what_a_policy_keeps_back_waits_in_an_inbox_of_its_own(pair, person):
    hers, _ = pair
    carol = await person("carol")
    await hers.see("#unseen", "1")  # Bob follows her
    await open_preferences(hers)
    await hers.click("#strangers")
    await hers.click("#strangers option", "keep back")
    await hers.see("#log-entries .call", "notification.set_preferences")
    await hers.write("#notifications", Keys.ESCAPE)
    await hers.publish("who is there?")
    await hers.see("#posts li p", "who is there?")
    post = await hers.do(hers.driver.execute_script, "return document.querySelector('#posts li').dataset.id")
    await carol.call("comment.create", post_id=post, text="a stranger")
    await hers.click("#posts .comments-of")
    await hers.see(".comments li p", "a stranger")
    await hers.click("#bell")
    await hers.click("#filtered summary")
    await hers.see("#filtered-list li", "carol")
    await hers.see_no("#notification-list li", "carol")
    await hers.click("#filtered-list button", "Accept")
    await hers.see("#notification-list li", "carol")
    await hers.see_no("#filtered-list li")
    await carol.call("comment.create", post_id=post, text="again")
    await hers.see("#posts .comments-of", "💬 2")
    await hers.click("#filtered summary")
    await hers.click("#filtered summary")
    await hers.click("#filtered-list button", "Dismiss")
    await hers.see_no("#filtered-list li")
    assert await hers.complaints() == []


async def test_preferences_are_the_same_in_all_windows_and_after_a_reload(person, sign_in):
    alice = await person("alice")
    one, other = await sign_in(alice.name), await sign_in(alice.name)
    for window in (one, other):
        await open_preferences(window)
    await one.see(f"{LIKES}:checked")
    await one.click(LIKES)
    await one.click("#grouped [name='follow']")
    await one.click("#quiet-hours [name='on']")
    for window in (one, other):
        await window.see(f"{LIKES}:not(:checked)")
        await window.see("#grouped [name='follow']:not(:checked)")
        await window.see("#quiet-hours [name='on']:checked")
    await other.write("#quiet-hours [name='start']", "1030PM")
    await one.see("#log-entries .push", "notification.preferences_changed")
    await one.do(one.driver.refresh)
    await open_preferences(one)
    await one.see(f"{LIKES}:not(:checked)")
    await one.see("#grouped [name='reaction']:checked")
    await one.see("#quiet-hours [name='on']:checked")
    start = "return document.querySelector('#quiet-hours [name=start]').value"
    assert await one.do(one.driver.execute_script, start) == "22:30"
    assert await one.complaints() == await other.complaints() == []


async def test_a_refused_preference_is_shown_as_it_stands(person, sign_in):
    window = await sign_in((await person("alice")).name)
    await open_preferences(window)
    await window.click("#quiet-hours [name='on']")
    await window.see("#quiet-hours [name='on']:checked")
    await window.write("#quiet-hours [name='start']", "0700AM")
    await window.see("#notice", "quiet_hours.end")
    start = "return document.querySelector('#quiet-hours [name=start]').value"
    assert await window.do(window.driver.execute_script, start) != "07:00"


async def open_preferences(window: Browser) -> None:
    await window.click("#bell")
    await window.click("#preferences summary")
    await window.see("#preferred-channels tr")
