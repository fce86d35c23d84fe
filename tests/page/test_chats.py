"""Chats on the developer page: requests, history, ticks, typing, editing and deleting."""

from selenium.webdriver.common.keys import Keys

from tests.browser import Browser

MESSAGE = "#chat-messages li"
FIELD = "#chat-composer input"


async def start_chat(hers: Browser, his: Browser) -> None:
    """Alice, whom Bob follows, opens a chat with him and sends a message; he opens it."""
    await hers.send("#find-person input", his.username)
    await hers.click("#card button", "Message")
    await hers.see("#chat-title", "bob")
    await hers.see_no("#card")
    await hers.send(FIELD, "أهلا يا بوب")
    await hers.see(f"{MESSAGE}.mine p", "أهلا يا بوب")
    await his.see("#chat-list li", "أهلا يا بوب")
    await his.click("#chat-list .name", "alice")
    await his.see(f"{MESSAGE}.theirs p", "أهلا يا بوب")


async def test_a_chat_with_typing_and_ticks(pair):
    hers, his = pair
    await hers.send("#find-person input", his.username)
    await hers.click("#card button", "Message")
    await hers.send(FIELD, "are you there?")
    # Delivered, because his page is open, and not read, because the chat is not.
    await hers.see(f"{MESSAGE} [data-progress='delivered']", "✓✓")
    await his.see("#chat-list .badge", "1")
    await his.see("#chats-unread", "1")
    await his.click("#chat-list .name", "alice")
    await hers.see(f"{MESSAGE} [data-progress='read']", "✓✓")
    await his.see_no("#chat-list .badge")
    await his.see_no("#chats-unread")

    await his.write(FIELD, "أيوه")
    await hers.see("#chat-typing", "bob")
    await his.write(FIELD, Keys.ENTER)
    await hers.see(f"{MESSAGE}.theirs p", "أيوه")
    await hers.see_no("#chat-typing", "bob")
    await his.see(f"{MESSAGE}:last-child [data-progress='read']", "✓✓")
    await hers.click("#close-chat")
    await his.send(FIELD, "<i>bye</i>")
    await his.see(f"{MESSAGE}:last-child [data-progress='delivered']", "✓✓")
    await hers.see("#chat-list .badge", "1")
    await hers.see("#chat-list .last", "<i>bye</i>")
    assert await hers.complaints() == await his.complaints() == []


async def test_messages_are_edited_and_deleted(pair):
    hers, his = pair
    await start_chat(hers, his)
    await hers.click(f"{MESSAGE}.mine button", "Edit")
    await hers.see(".composer small", "Edit your message")
    await hers.send(FIELD, "!")
    await his.see(f"{MESSAGE} p", "أهلا يا بوب!")
    await his.see(f"{MESSAGE} header", "edited")
    await his.see_no(f"{MESSAGE} button", "Edit")
    await hers.click(f"{MESSAGE}.mine button", "Delete")
    for window in (hers, his):
        await window.see(MESSAGE, "deleted message")
        await window.see_no(f"{MESSAGE} p")
    await hers.send(FIELD, "to hide")
    await his.click(f"{MESSAGE}:last-child button", "Hide")
    await his.see_no(f"{MESSAGE} p", "to hide")
    await hers.see(f"{MESSAGE} p", "to hide")


async def test_a_strangers_chat_waits_as_a_request(pair):
    hers, his = pair
    await his.click("#followed .name", "alice")
    await his.click("#card button", "Message")
    await his.send(FIELD, "you do not know me")
    await hers.see("#chat-requests li", "bob")
    await hers.see("#chat-requests .last", "you do not know me")
    await hers.see_no("#chats-unread")
    await his.see(f"{MESSAGE} [data-progress='sent']", "✓")
    await hers.click("#chat-requests button", "Accept")
    await hers.see(f"{MESSAGE}.theirs p", "you do not know me")
    await hers.see_no("#chat-requests-title")
    await his.see(f"{MESSAGE} [data-progress='read']", "✓✓")


async def test_earlier_messages_load_on_demand(person, sign_in):
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    chat = (await alice.call("chat.open", user_ids=[bob.id]))["chat"]["id"]
    for number in range(1, 36):
        await alice.call("chat.send", chat_id=chat, text=f"message {number}.")
    his = await sign_in(bob.name)
    await his.see("#chats-unread", "35")
    await his.click("#chat-list .name", "alice")
    await his.see(MESSAGE, "message 35.")
    await his.see_no(MESSAGE, "message 5.")
    await his.click("#chat-earlier")
    await his.see(f"{MESSAGE}:first-child", "message 1.")
    await his.see_no("#chat-earlier")


async def test_each_chat_has_its_own_messages(person, pair):
    hers, _ = pair
    for name in ("carol", "dina"):
        other = await person(name)
        await hers.send("#find-person input", other.name)
        await hers.click("#card button", "Message")
        await hers.see("#chat-title", name)
        await hers.send(FIELD, "hello")
        await hers.see(f"{MESSAGE} p", "hello")
    await hers.click("#chat-list .name", "carol")
    await hers.see("#chat-title", "carol")
    await hers.click(f"{MESSAGE} button", "Delete")
    await hers.see(MESSAGE, "deleted message")
    await hers.click("#chat-list .name", "dina")
    await hers.see(f"{MESSAGE} p", "hello")


async def test_a_button_keeps_the_focus_when_its_message_is_read(pair):
    hers, his = pair
    await hers.send("#find-person input", his.username)
    await hers.click("#card button", "Message")
    await hers.send(FIELD, "hello")
    await hers.see(f"{MESSAGE} [data-progress='delivered']")
    await hers.write(FIELD, Keys.SHIFT + Keys.TAB)
    await hers.see(f"{MESSAGE} [data-emoji='🙏']:focus")
    await his.click("#chat-list .name", "alice")
    await hers.see(f"{MESSAGE} [data-progress='read']")
    await hers.see(f"{MESSAGE} [data-emoji='🙏']:focus")


async def test_reactions_to_messages_appear_live(pair):
    hers, his = pair
    await start_chat(hers, his)
    love = f"{MESSAGE} [data-emoji='❤️']"
    await his.click(love)
    for window, is_pressed in ((hers, "false"), (his, "true")):
        await window.see(f"{love}[aria-pressed='{is_pressed}']", "❤️ 1")
    await hers.click(love)
    await his.see(f"{love}[aria-pressed='true']", "❤️ 2")
    await his.click(f"{MESSAGE} [data-emoji='😂']")
    await hers.see(f"{MESSAGE} [data-emoji='😂']", "😂 1")
    await hers.see(f"{love}[aria-pressed='true']", "❤️ 1")
    await hers.click(f"{MESSAGE}.mine button", "Edit")
    await hers.send(FIELD, "!")
    await his.see(f"{MESSAGE} p", "أهلا يا بوب!")
    await his.see(f"{MESSAGE} [data-emoji='😂'][aria-pressed='true']", "😂 1")
    await his.click(f"{MESSAGE} [data-emoji='😂']")
    await hers.see(f"{MESSAGE} [data-emoji='😂'][data-count='0']")
    assert await hers.complaints() == await his.complaints() == []


async def test_a_muted_chat_stays_muted_after_a_reload(pair):
    hers, his = pair
    await start_chat(hers, his)
    await hers.click("#mute-chat")
    await hers.see("#mute-chat[aria-pressed='true']")
    await hers.do(hers.driver.refresh)
    await hers.click("#chat-list .name", "bob")
    await hers.see("#mute-chat[aria-pressed='true']")
    await hers.click("#mute-chat")
    await hers.see("#mute-chat[aria-pressed='false']")
