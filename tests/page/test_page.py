"""The developer page in real browsers: two users, each in their own browser, who see each other's actions."""

from selenium.webdriver.common.keys import Keys

from engine.close_reasons import CloseReason
from tests.browser import Browser
from tests.cluster import Cluster


async def meet(hers: Browser, his: Browser, topic: str) -> None:
    """Alice opens a room, and Bob joins it."""
    await hers.send("#open-room input", topic)
    await hers.see("#topic", topic)
    await his.click("#refresh-rooms")
    await join(his, topic)
    await hers.see("#listeners", "bob")


async def join(window: Browser, topic: str) -> None:
    """Join the room with this topic."""
    await window.see("#rooms li", topic)
    await window.click("#rooms li button", "Join")
    await window.see("#topic", topic)


async def act_on(window: Browser, line: str, act: str) -> None:
    """Use a button on the card of the user on that line of the room."""
    await window.click(f"{line} button", "⋯")
    await window.click("#card button", act)


async def test_a_post_is_in_a_followers_feed_at_once(pair):
    hers, his = pair
    await hers.publish("صباح الخير <img src=x onerror=alert(1)>")
    for window in (hers, his):
        await window.see("#posts li p", "صباح الخير <img src=x onerror=alert(1)>")
    await his.see("#log-entries .push", "feed.added")
    await his.see("#log-entries .call", "post.get")
    await his.write("#log-filter", "feed.added")
    await his.see_no("#log-entries .call")
    assert await hers.complaints() == await his.complaints() == []


async def test_following_and_unfollowing_change_the_feed_live(pair):
    hers, his = pair
    alice = hers.username
    await his.write(f"#followed [data-username='{alice}'] .name", Keys.ENTER)
    await his.see("#card", f"@{alice}")
    await his.click("#card button", "Unfollow")
    await his.see_no(f"#followed [data-username='{alice}']")
    await hers.publish("قبل")
    await hers.see("#posts li p", "قبل")

    await his.write("#card", Keys.ESCAPE)
    await his.see_no("#card")
    await his.send("#find-person input", f"@{alice}")
    await his.click("#card button", "Follow")
    await his.see("#card button", "Unfollow")
    await his.see(f"#followed [data-username='{alice}'] .dot[data-status='online']")
    await hers.see("#notice", "follows you")
    await his.see("#posts li p", "قبل")
    await hers.publish("بعد")
    await his.see("#posts li p", "بعد")
    await his.see("#log-entries .push", "feed.added")
    assert await hers.complaints() == await his.complaints() == []


async def test_presence_is_shown_until_the_browser_closes(pair):
    hers, his = pair
    dot = f"#followed [data-username='{hers.username}'] .dot[data-status='%s']"
    await his.see(dot % "online")
    await hers.click("#status")
    await hers.click("#status option", "busy")
    await his.see(dot % "busy")
    await hers.quit()
    await his.see(dot % "offline")


async def test_a_room_with_a_stage_hands_and_chat(pair):
    hers, his = pair
    await meet(hers, his, "مجلس الجمعة")
    await hers.see("#my-role", "host")
    await his.see("#stage [data-role='host']", "alice")
    await hers.see("#listeners", "bob")
    await hers.see("#audience", "2 inside")

    await his.click("#raise-hand")
    await hers.see("#hands li", "bob")
    await hers.click("#hands button", "Make speaker")
    await his.see("#my-role", "speaker")
    for window in (hers, his):
        await window.see("#stage [data-role='speaker']", "bob")
        await window.see_no("#hands li")

    await hers.write("#say input", "أهلا")
    await his.see("#typing", "alice")
    await hers.click("#say button")
    await his.see("#messages .theirs p", "أهلا")
    await his.see_no("#typing", "alice")
    await his.send("#say input", "أهلا بيكي")
    await hers.see("#messages .theirs p", "أهلا بيكي")
    await his.see_no("#messages .theirs button", "Delete")
    await his.send("#say input", "spam")
    await his.see("#messages li:last-child", "spam")
    await his.click("#messages li:last-child button", "Delete")
    for window in (hers, his):
        await window.see_no("#messages p", "spam")
    await his.send("#say input", "more spam")
    await hers.see("#messages li:last-child", "more spam")
    await hers.click("#messages li:last-child button", "Delete")
    for window in (hers, his):
        await window.see_no("#messages p", "spam")
    await his.click("#reactions button", "👏")
    await hers.see("#reactions button", "👏 1")

    await hers.click("#stage [data-role='speaker'] button", "Mute")
    await his.see("#my-role", "muted")
    await hers.see("#stage [data-role='speaker']", "🔇")
    await act_on(hers, "#stage [data-role='speaker']", "Kick")
    await his.see("#notice", "kicked")
    await his.see("#lobby")
    await hers.see_no("#stage", "bob")

    await his.click("#rooms li button", "Join")
    await his.see("#messages p", "أهلا بيكي")
    await hers.click("#close-room")
    for window in (hers, his):
        await window.see("#notice", "The room has ended")
        await window.see("#digest-topic", "مجلس الجمعة")


async def test_a_banned_user_stays_out_until_the_ban_is_lifted(pair):
    hers, his = pair
    await meet(hers, his, "بدون ضوضاء")
    await hers.click("#listeners button", "⋯")
    await hers.write("#card-reason", "ضوضاء")
    await hers.click("#card button", "Ban")
    await his.see("#notice", "removed from the room: banned")
    await his.see("#lobby")
    await hers.see_no("#listeners", "bob")
    await hers.click("#log-entries [data-name='room.ban'] summary")
    await hers.see("#log-entries pre", "ضوضاء")
    await his.click("#rooms li button", "Join")
    await his.see("#notice", "PERMISSION_DENIED, you are banned from the room")
    await his.see_no("#room")

    await hers.click("#banned button", "Unban")
    await hers.see_no("#banned-title")
    await join(his, "بدون ضوضاء")
    await hers.see("#listeners", "bob")


async def test_a_user_who_gets_the_room_has_the_hosts_rights(pair):
    hers, his = pair
    await meet(hers, his, "from hand to hand")
    for selector in ("#close-room", "#invite", ".controls"):
        await his.see_no(f"#room {selector}")
    await act_on(hers, "#listeners", "Make host")
    await his.see("#notice", "You are now host")
    await his.see("#close-room")
    await his.see("#invite")
    await hers.see("#my-role", "cohost")
    await hers.see_no("#close-room")
    await hers.see_no("#stage button", "⋯")
    await his.click("#stage [data-role='cohost'] button", "Make listener")
    await hers.see("#my-role", "listener")
    await hers.see("#raise-hand")
    await hers.see_no("#invite")


async def test_an_invited_user_can_enter_a_private_room(pair):
    hers, his = pair
    await hers.click("#open-room option", "by invitation")
    await hers.send("#open-room input", "بيننا")
    await hers.see("#who-may-come", "by invitation")
    await his.click("#refresh-rooms")
    await his.see_no("#rooms li", "بيننا")
    await hers.send("#invite input", his.username)
    await hers.see("#notice", "bob")
    await his.see("#notice", "You are invited: بيننا")
    await join(his, "بيننا")
    await hers.see("#listeners", "bob")


async def test_the_digest_of_an_ended_room_is_shown_to_all_who_were_in_it(pair):
    hers, his = pair
    await meet(hers, his, "ليلة الكشري <b>")
    await his.send("#say input", "أحلى كشري في وسط البلد")
    await hers.click("#messages .theirs button", "❤")
    await hers.see("#reactions button", "1")
    await hers.click("#close-room")
    for window in (hers, his):
        await window.see("#digest-topic", "ليلة الكشري <b>")
        await window.see("#digest-peak", "At most 2 users inside")
        await window.see("#attendance .edge")
        await window.see(f"#digest-speakers [data-username='{hers.username}']", " s")
        await window.see("#digest-top li", "أحلى كشري في وسط البلد")
        await window.see("#digest-top .count", "1")
        await window.see("#digest-summary li", "أحلى كشري في وسط البلد")
        assert await window.complaints() == []
    await his.click("#leave-digest")
    await his.see("#ended-rooms li", "ليلة الكشري <b>")
    await his.click("#ended-rooms button", "Digest")
    await his.see("#digest-topic", "ليلة الكشري <b>")


async def test_a_lost_connection_is_shown_and_recovered(cluster: Cluster, pair):
    hers, his = pair
    await meet(hers, his, "still here")
    for socket in cluster.node("page").socket_server.sockets:
        socket.drop(CloseReason.BROKEN)
    for window in (hers, his):
        await window.see("#log-entries .change", "reconnecting")
        await window.see("#connection", "session recovered")
    await hers.send("#say input", "after")
    await his.see("#messages .theirs p", "after")


async def test_each_tab_remembers_its_own_user(cluster: Cluster, pair):
    hers, _ = pair
    await hers.send("#open-room input", "to come back to")
    await hers.see("#topic", "to come back to")
    await hers.do(hers.driver.refresh)
    await hers.see("#me", hers.username)
    await hers.see("#topic", "to come back to")
    await hers.click("header a")
    await hers.do(lambda: hers.driver.switch_to.window(hers.driver.window_handles[-1]))
    await hers.see("#door", "Sign in as a demo user")
    await hers.click("#demo-users button")
    await hers.see("#connection", "connected")
    await hers.click("#sign-out")
    await hers.see("#notice", "signed out")
