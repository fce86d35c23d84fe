"""Group chats on the developer page: creating one, its title, its members and their roles, and leaving."""

from tests.browser import Browser

MEMBER = "#group-members [data-username='%s']"
FIELD = "#chat-composer input"


async def create_group(hers: Browser, *usernames: str) -> None:
    """Alice creates a group with these users and opens its panel."""
    await hers.click("#begin-group")
    await hers.write("#new-group [name='usernames']", " ".join(usernames))
    await hers.send("#new-group [name='title']", "شلة <b>الجمعة</b>")
    await hers.see("#chat-title", "شلة <b>الجمعة</b>")
    await hers.click("#chat-members")


async def test_a_group_is_created_renamed_and_left(pair):
    hers, his = pair
    await create_group(hers, his.username)
    await hers.see("#group-members [data-role='owner']", "alice")
    await hers.see("#chat-members", "2 members")
    await his.click("#chat-list .name", "شلة <b>الجمعة</b>")
    await hers.send(FIELD, "أهلا")
    await his.see("#chat-messages .theirs p", "أهلا")
    await his.click("#chat-members", "2 members")
    await his.see_no("#group-title")
    await his.see_no("#group-add")

    await hers.send("#group-title input", "Friday")
    for window in (hers, his):
        await window.see("#chat-title", "Friday")
        await window.see("#chat-list .name", "Friday")
    await his.click("#group-leave")
    await his.see_no("#chat")
    await his.see_no("#chat-list .name", "Friday")
    await hers.see("#chat-members", "1 member")
    await hers.see_no(MEMBER % his.username)
    assert await hers.complaints() == await his.complaints() == []


async def test_members_are_added_and_removed(pair, person):
    hers, his = pair
    carol, dina = await person("carol"), await person("dina")
    alice = await dina.call("user.get", username=hers.username)
    await dina.call("graph.follow", user_id=alice["id"])
    await create_group(hers, carol.name)
    await hers.see(f"{MEMBER % carol.name}[data-role='asked']")  # she does not follow Alice
    await hers.send("#group-add input", f"@{his.username}")
    await hers.see(f"{MEMBER % his.username}[data-role='member']")
    await his.click("#chat-list .name", "شلة <b>الجمعة</b>")
    await his.click("#chat-members")
    await hers.send("#group-add input", dina.name)
    for window in (hers, his):
        await window.see(f"{MEMBER % dina.name}[data-role='member']")
    await hers.click(f"{MEMBER % dina.name} button", "Remove")
    for window in (hers, his):
        await window.see_no(MEMBER % dina.name)
    await hers.click(f"{MEMBER % his.username} button", "Remove")
    await his.see_no("#chat")
    await his.see_no("#chat-list .name", "شلة <b>الجمعة</b>")


async def test_roles_change_what_a_member_may_do(pair):
    hers, his = pair
    await create_group(hers, his.username)
    await his.click("#chat-list .name", "شلة <b>الجمعة</b>")
    await his.click("#chat-members")
    await his.see(f"{MEMBER % hers.username}[data-role='owner']")
    await his.see_no(f"{MEMBER % hers.username} button", "Make")
    await hers.click(f"{MEMBER % his.username} button", "Make admin")
    await his.see("#group-title")
    await his.see(f"{MEMBER % his.username}[data-role='admin']")
    await his.see_no(f"{MEMBER % hers.username} button", "Remove")
    await hers.click(f"{MEMBER % his.username} button", "Make member")
    await his.see_no("#group-title")
    await hers.click(f"{MEMBER % his.username} button", "Make owner")
    await his.see(f"{MEMBER % his.username}[data-role='owner']")
    await his.see(f"{MEMBER % hers.username}[data-role='admin'] button", "Make member")
    await hers.see_no(f"{MEMBER % his.username} button", "Remove")
