"""Posts on the developer page: reactions with live counts, saves, shares, and threads of comments."""

from selenium.webdriver.common.keys import Keys

from tests.browser import Browser
from tests.cluster import Cluster
from tests.people import Person

OPEN = "#posts .comments-of"
COMMENT = ".comments li"


async def write_post(hers: Browser, his: Browser, text: str) -> None:
    """Alice posts, and both open the post."""
    await hers.publish(text)
    for window in (hers, his):
        await window.see("#posts li p", text)
        await window.click(OPEN)
        await window.see("#log-entries .call", "comment.list")


async def test_a_reaction_changes_the_others_count_live(pair):
    hers, his = pair
    await write_post(hers, his, "مين جرب الفطير؟")
    await his.click("#posts [data-kind='love']")
    await hers.see("#posts [data-kind='love']", "❤️ 1")
    await hers.see("#posts [data-kind='love'][aria-pressed='false']")
    await his.see("#posts [data-kind='love'][aria-pressed='true']", "❤️ 1")
    await hers.click("#posts [data-kind='laugh']")
    await his.see("#posts [data-kind='laugh'][aria-pressed='false']", "😂 1")
    await his.click("#posts [data-kind='laugh']")
    for window in (hers, his):
        await window.see("#posts [data-kind='laugh']", "😂 2")
        await window.see_no("#posts [data-kind='love']", "1")
    await his.click("#posts [data-kind='laugh']")
    await hers.see("#posts [data-kind='laugh']", "😂 1")
    await his.see("#posts [data-kind='laugh'][aria-pressed='false']", "😂 1")
    assert await hers.complaints() == await his.complaints() == []


async def test_an_open_post_is_watched_until_it_is_closed(pair):
    hers, his = pair
    await write_post(hers, his, "open and closed")
    await his.click(OPEN)
    await his.see("#log-entries .call", "post.unwatch")
    await his.see_no(".thread")
    await hers.send(".thread input", "nobody else watches")
    await hers.see(COMMENT, "nobody else watches")
    await his.click("#posts [data-kind='like']")
    await his.see("#posts [data-kind='like'][aria-pressed='true']", "👍 1")
    await hers.see("#posts [data-kind='like']", "👍 1")
    await his.see_no("#log-entries .push", "comment.created")
    await his.click(OPEN)
    await his.see(COMMENT, "nobody else watches")
    await his.see(OPEN, "💬 1")


async def test_comments_and_replies_appear_live(pair):
    hers, his = pair
    await write_post(hers, his, "what do you think?")
    await his.send(".thread input", "تمام <b>جدا</b>")
    await hers.see(f"{COMMENT} p", "تمام <b>جدا</b>")
    await hers.see(OPEN, "💬 1")
    await hers.see(f"{COMMENT} button", "Delete")  # it is her post
    await hers.see_no(f"{COMMENT} button", "Edit")
    await hers.click(f"{COMMENT} button", "Reply")
    await hers.see(".composer small", "Reply to bob")
    await hers.send(".thread input", "thanks")
    await hers.see_no(".composer small")
    await his.see(f"{COMMENT}:nth-child(2)", "↩ bob")
    await his.see(f"{COMMENT}:nth-child(2) p", "thanks")
    await his.see_no(f"{COMMENT}:nth-child(2) button", "Delete")
    await his.click(f"{COMMENT}:nth-child(2) [data-kind='like']")
    await hers.see(f"{COMMENT}:nth-child(2) [data-kind='like']", "👍 1")

    await his.click(f"{COMMENT} button", "Edit")
    await his.write(".thread input", "!")
    await his.write(".thread input", Keys.ENTER)
    await hers.see(f"{COMMENT} p", "تمام <b>جدا</b>!")
    await hers.see(f"{COMMENT} header", "edited")
    await his.click(f"{COMMENT} button", "Delete")
    for window in (hers, his):
        await window.see(f"{COMMENT}:first-child", "deleted comment")
        await window.see(f"{COMMENT}:nth-child(2) p", "thanks")
    await hers.click(f"{COMMENT}:nth-child(2) button", "Delete")
    for window in (hers, his):
        await window.see_no(COMMENT)
        await window.see_no(OPEN, "💬 1")
    assert await hers.complaints() == await his.complaints() == []


async def test_a_reply_being_written_survives_what_others_do(pair):
    hers, his = pair
    await write_post(hers, his, "busy")
    await hers.send(".thread input", "first")
    await his.see(f"{COMMENT} p", "first")
    await his.click(f"{COMMENT} button", "Reply")
    await his.write(".thread input", "half of")
    await hers.send(".thread input", "second")
    await his.see(f"{COMMENT} p", "second")
    await his.send(".thread input", " a reply")
    await hers.see(f"{COMMENT}:nth-child(3)", "half of a reply")
    await his.click(f"{COMMENT} button", "Reply")
    await his.see(".composer small", "Reply to alice")
    await his.write(".thread input", Keys.ESCAPE)
    await his.see_no(".composer small")


async def post_for_bob(person) -> tuple[Person, Person, str]:
    """Return Alice, Bob and the id of her post, which is in his feed."""
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    post = (await alice.call("post.create", text="all may comment"))["id"]
    await bob.expect("feed.added", post_id=post)
    return alice, bob, post


async def test_folded_replies_load_on_demand(person, sign_in):
    alice, bob, post = await post_for_bob(person)
    comment = (await alice.call("comment.create", post_id=post, text="root"))["id"]
    for number in range(6):
        await alice.call("comment.create", post_id=post, parent_id=comment, text=f"reply {number}")
    his = await sign_in(bob.name)
    await his.click(OPEN)
    await his.see(COMMENT, "reply 1")
    await his.see_no(COMMENT, "reply 2")
    await his.click(".fold", "4 more replies")
    await his.see(COMMENT, "reply 5")
    await his.see_no(".fold")


async def test_a_blocked_users_comment_is_not_shown(cluster: Cluster, person, sign_in):
    alice, bob, post = await post_for_bob(person)
    mallory = await person("mallory")
    his = await sign_in(bob.name)
    await his.click(OPEN)
    await mallory.call("comment.create", post_id=post, text="before the block")
    await his.see(COMMENT, "before the block")
    await bob.call("graph.block", user_id=mallory.id)
    await cluster.settle(bob)
    await mallory.call("comment.create", post_id=post, text="after the block")
    await alice.call("comment.create", post_id=post, text="from alice")
    await his.see(COMMENT, "from alice")
    await his.see_no(COMMENT, "after the block")
    await his.click(OPEN)
    await his.click(OPEN)
    await his.see(COMMENT, "from alice")
    await his.see_no(COMMENT, "before the block")


async def test_saves_and_shares(pair):
    hers, his = pair
    await write_post(hers, his, "keep this")
    await his.click("#posts .save")
    await his.see("#posts .save[aria-pressed='true']", "🔖 1")
    await hers.see("#posts .save[aria-pressed='false']", "🔖 1")
    await his.click("#posts .save")
    await hers.see_no("#posts .save", "1")
    await his.click("#posts .share-it")
    await his.see("#notice", "Shared")
    await hers.see("#posts .share-it", "🔁 1")


async def test_a_share_shows_the_original(person, sign_in):
    alice, bob, _ = await post_for_bob(person)
    carol = await person("carol")
    original = (await carol.call("post.create", text="worth sharing"))["id"]
    his = await sign_in(bob.name)
    await alice.call("share.create", post_id=original)
    await his.see("#posts blockquote", "carol")
    await his.see("#posts blockquote p", "worth sharing")
