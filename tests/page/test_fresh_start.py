"""The developer page after a reconnection that the server could not recover: what is open is loaded again, and live."""

from engine.close_reasons import CloseReason
from tests.cluster import Cluster


async def test_open_posts_and_chats_are_live_again(cluster: Cluster, person, pair):
    hers, his = pair
    carol = await person("carol")
    await hers.publish("to come back to")
    await his.click("#posts .comments-of")
    await his.see("#log-entries .call", "comment.list")
    await hers.send("#find-person input", his.username)
    await hers.click("#card button", "Message")
    await hers.send("#chat-composer input", "before")
    await his.click("#chat-list .name", "alice")
    await his.see("#chat-messages p", "before")

    page = cluster.node("page")
    for member in page.parts.members.all:
        member.forget_recovery()
    for socket in page.socket_server.sockets:
        socket.drop(CloseReason.BROKEN)
    for window in (hers, his):
        await window.see("#log-entries .change", "reconnecting")
        await window.see("#connection", "connected")
        await window.see_no("#connection", "recovered")
    post = await his.do(his.driver.execute_script, "return document.querySelector('#posts li').dataset.id")
    await carol.call("comment.create", post_id=post, text="a comment after")
    await his.see(".comments li p", "a comment after")
    await his.send("#chat-composer input", "a message after")
    await hers.see("#chat-messages .theirs p", "a message after")
    await his.see("#chat-messages [data-progress='read']", "✓✓")
    assert await hers.complaints() == await his.complaints() == []
