"""Saved posts and collections on the developer page, the same in all windows of a user."""

import asyncio

SAVED = "#saved-posts li"


async def test_saved_posts_move_between_collections_in_all_windows(person, sign_in):
    alice = await person("alice")
    for text in ("كشري <b>", "فول"):
        post = (await alice.call("post.create", text=text))["id"]
        await alice.call("save.add", post_id=post)
    one, other = await asyncio.gather(sign_in(alice.name), sign_in(alice.name))
    for window in (one, other):
        await window.click("#open-saves")
        await window.see(f"{SAVED}:first-child", "فول")
        await window.see(f"{SAVED}:nth-child(2)", "كشري <b>")
    await one.send("#name-collection input", "وصفات")
    await one.see("#shown-collection option:checked", "وصفات")
    await one.see_no(SAVED)
    await one.click("#shown-collection")
    await one.click("#shown-collection option", "All saved posts")
    await one.click(f"{SAVED}:nth-child(2) select")
    await one.click(f"{SAVED}:nth-child(2) option", "وصفات")
    await other.see(f"{SAVED} option:checked", "وصفات")
    await other.click("#shown-collection")
    await other.click("#shown-collection option", "وصفات")
    await other.see(SAVED, "كشري <b>")
    await other.see_no(SAVED, "فول")

    await other.send("#name-collection input", "Recipes")
    await other.see("#shown-collection option:checked", "Recipes")
    await other.click("#delete-collection")
    await other.see("#shown-collection option:checked", "All saved posts")
    await other.click(f"{SAVED}:nth-child(2) button", "Remove")
    for window in (one, other):
        await window.see_no(SAVED, "كشري <b>")
        await window.see(SAVED, "فول")
    assert await one.complaints() == await other.complaints() == []


async def test_a_save_from_the_feed_is_listed_and_opens(pair):
    hers, his = pair
    await hers.publish("keep this")
    await his.click("#posts .save")
    await his.see("#posts .save[aria-pressed='true']")
    await his.do(his.driver.refresh)
    await his.click("#open-saves")
    await his.click(f"{SAVED} .name", "keep this")
    await his.see_no("#saves")
    await his.see(".thread")
    await his.click("#open-saves")
    await his.click(f"{SAVED} button", "Remove")
    await his.see("#posts .save[aria-pressed='false']")
    assert await his.complaints() == []
