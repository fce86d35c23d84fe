"""The moderators' console in a real browser: judging by keys, colleagues, hostile texts, and accessibility."""

from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from moderation.disguises import as_part
from tests.browser import Browser
from tests.cluster import Cluster
from tests.console.conftest import OpenConsole
from tests.contract.moderators import appoint, case_of, reported
from tests.contract.test_auth import PASSWORD
from tests.contract.test_verifications import documents
from tests.people import Person

AXE = Path(__file__).parents[1] / "clients" / "node_modules" / "axe-core" / "axe.min.js"
CHECK = """
const done = arguments[arguments.length - 1];
axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}).then(
    ({violations}) => done(violations.map(({id, nodes}) => [id, nodes.map(({html}) => html)])),
    (error) => done(String(error)),
);
"""
OVERRIDES = (0x202E, 0x202C, 0x2067, 0x2069)  # of the direction of writing
# Scripts, styles and texts that have broken pages of others.
HOSTILE = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    '"><svg/onload=window.hacked=1>',
    "'-window.hacked=1-'",
    "javascript:window.hacked=1",
    "<style>*{display:none!important}</style>",
    "</blockquote></article></main><h1>broken</h1>",
    "{{constructor.constructor('window.hacked=1')()}}",
    "\u202eevil\u202c \u2067مرحبا\u2069",
    "&lt;script&gt;window.hacked=1&lt;/script&gt;",
)


async def posted_and_reported(
    cluster: Cluster, alice: Person, bob: Person, post_text: str, **more: Any
) -> tuple[str, str]:
    """Let Alice post, and Bob report it. Returns the ids of the post and of the case."""
    post = await alice.call("post.create", text=post_text)
    return post["id"], await reported(cluster, bob, "post", post["id"], reason="hate", **more)


async def documents_sent(cluster: Cluster, user: Person) -> None:
    """Let the user ask to be verified."""
    ids, _ = await documents(cluster, user, 1)
    await user.call("account.verification", documents=ids)


async def open_case(window: Browser, case_id: str) -> None:
    """Open the case in the queue, which has cases of other tests too: perhaps more than a page of graver ones."""
    line = f'#cases [data-case="{case_id}"]'
    more = "document.querySelector('#more-cases:not([hidden])')?.click()"
    await window.until(f"document.querySelector('{line}') ?? {more}")
    await window.do(window.driver.execute_script, f"document.querySelector('{line}').focus()")
    await window.press(Keys.ENTER)
    await window.has(f'#case[data-case="{case_id}"] #case-head')


async def violations(window: Browser) -> Any:
    """Return the violations that axe-core finds in the page as it is now."""
    await window.do(window.driver.execute_script, AXE.read_text())
    return await window.do(window.driver.execute_async_script, CHECK)


async def test_a_case_is_judged_by_keys_alone(cluster: Cluster, person, open_console: OpenConsole):
    alice, bob = await person("alice"), await person("bob")
    window = await open_console()
    post_id, case_id = await posted_and_reported(cluster, alice, bob, "a hateful text", text="look at this")
    await open_case(window, case_id)
    await window.see("#contents.blurred")
    await window.press("u")
    await window.see("#contents:not(.blurred) blockquote", "a hateful text")
    await window.see("#case", "look at this")
    await window.press("c")
    await window.see("#claim", window.username)
    await window.press("7")  # remove; the reason has the focus then
    await window.see("#decision [type=submit]", "Remove")
    await window.press(*(Keys.TAB,) * 3, Keys.ENTER)
    await window.see("#notice", "Decided: Remove")
    assert (await bob.refused("post.get", post_id=post_id)).code == "NOT_FOUND"
    assert await window.complaints() == []


async def test_colleagues_on_two_nodes_see_each_others_claims(cluster: Cluster, person, open_console: OpenConsole):
    alice, bob = await person("alice"), await person("bob")
    one, two = await open_console(), await open_console(node="staff_b")
    _, case_id = await posted_and_reported(cluster, alice, bob, "who judges this?")
    await open_case(one, case_id)
    await two.see(f'#cases [data-case="{case_id}"]')
    await one.press("c")
    await two.see(f'#cases [data-case="{case_id}"]', one.username)
    await one.press("r")
    await two.see_no(f'#cases [data-case="{case_id}"]', one.username)


async def test_hostile_texts_run_nothing_and_keep_the_layout(cluster: Cluster, person, open_console: OpenConsole):
    alice, bob = await person("alice"), await person("bob")
    window = await open_console()
    for text in HOSTILE:
        name = text[:50].translate(dict.fromkeys(OVERRIDES))  # names may not have them
        await alice.call("user.update", display_name=name, bio=text)
        _, case_id = await posted_and_reported(cluster, alice, bob, text, text=text)
        await open_case(window, case_id)
        await window.press("u")
        await window.see("#contents blockquote")
        await window.press("n")
        await window.send("[name=note]", text)
        await window.see("#case li", "Note ·")
    await window.press("p")
    await window.see("#found-person h2", alice.name)
    shown = await window.do(
        window.driver.execute_script,
        """return [window.hacked ?? null, document.scripts.length, document.querySelectorAll("style, h1").length,
                   document.querySelector("#views").checkVisibility()]""",
    )
    assert shown == [None, 1, 1, True]
    assert await window.complaints() == []


@pytest.mark.parametrize("language", ["en", "ar"])
async def test_every_view_passes_axe(cluster: Cluster, person, open_console: OpenConsole, language):
    alice, bob = await person("alice"), await person("bob")
    window = await open_console("admin", language=language)
    assert await window.do(
        window.driver.execute_script, "return [document.documentElement.lang, document.documentElement.dir]"
    ) == [language, {"en": "ltr", "ar": "rtl"}[language]]
    _, case_id = await posted_and_reported(cluster, alice, bob, "a text", text="a report")
    await open_case(window, case_id)
    assert await violations(window) == []
    await window.press("u", "3")
    await window.see("#decision [type=submit]")
    assert await violations(window) == []
    await window.press(Keys.ESCAPE, "p")
    await window.see("#found-person h2")
    assert await violations(window) == []
    await documents_sent(cluster, alice)
    await window.press("v")
    await window.click("#requests button", alice.name)
    await window.see("#verification")
    assert await violations(window) == []
    for key, shown in (("a", "#audit-rows tr"), ("m", "#counters dd")):
        await window.press(key)
        await window.see(shown)
        assert await violations(window) == []
    await window.press("?")
    await window.see("#keys kbd")
    assert await violations(window) == []


async def test_evidence_and_earlier_versions_are_shown_and_a_decision_is_undone(
    cluster: Cluster, person, open_console: OpenConsole
):
    alice, bob = await person("alice"), await person("bob")
    [picture], _ = await documents(cluster, alice, 1)
    proof = await alice.call("post.create", text="the same elsewhere", media_ids=[picture])
    evidence = [{"target_type": "post", "target_id": proof["id"]}]
    post = await alice.call("post.create", text="a hateful text")
    case_id = await reported(cluster, bob, "post", post["id"], reason="hate", evidence=evidence)
    await alice.call("post.edit", post_id=post["id"], version=post["version"], text="a harmless text")
    assert await reported(cluster, await person("carol"), "post", post["id"], reason="hate") == case_id
    window = await open_console()
    await open_case(window, case_id)
    assert await violations(window) == []
    await window.see_no("#case .shots")
    await window.press("u")
    await window.see("#contents blockquote", "a harmless text")
    await window.see("#case li blockquote", "a hateful text")
    await window.see("#case li blockquote", "the same elsewhere")
    await window.has(f'#case li .shots img[src*="{picture}"]')
    assert await violations(window) == []
    await window.press("7")
    await window.press(*(Keys.TAB,) * 3, Keys.ENTER)
    await window.see("#notice", "Decided: Remove")
    await window.press("s")
    await window.send("#find-person [name=username]", alice.name)
    await window.click("#found-person li button", "Remove")
    await window.click("#case [data-undo]", "Undo")
    await window.do(lambda: window.driver.switch_to.alert.accept())
    await window.see("#case li strong", "Undone")
    assert (await bob.call("post.get", post_id=post["id"]))["text"] == "a harmless text"


async def test_a_user_is_verified(cluster: Cluster, person, open_console: OpenConsole):
    alice = await person("alice")
    await documents_sent(cluster, alice)
    window = await open_console()
    await window.press("v")
    await window.click("#requests button", alice.name)
    await window.write("#verification [name=told]", "Welcome.")
    await window.click("#verification [value=approved]")
    await window.see("#notice", "Decided: Approve")
    await window.see_no("#requests li", alice.name)
    assert (await alice.call("account.verification"))["state"] == "approved"


async def test_the_console_shows_nothing_to_users(cluster: Cluster, open_console: OpenConsole):
    window = await open_console("user")
    await window.see("#notice", "PERMISSION_DENIED")
    await window.see_no("#cases li")


async def test_the_sign_in_page_passes_axe_and_a_reload_signs_out(open_console: OpenConsole):
    window = await open_console()
    await window.do(window.driver.refresh)
    await window.see("#sign-in")
    await window.see_no("#desk")
    assert await violations(window) == []


async def test_an_idle_page_ends_its_session(cluster: Cluster, open_console: OpenConsole):
    window = await open_console()
    hurry = "const wait = setInterval; window.setInterval = (act, ms) => wait(act, ms === 30_000 ? 50 : ms);"
    added = await window.command("Page.addScriptToEvaluateOnNewDocument", source=hurry)
    await window.do(window.driver.refresh)
    await window.write("#sign-in [name=email]", f"{window.username}@example.org")
    await window.send("#sign-in [name=password]", PASSWORD)
    await window.see("#desk")
    await window.do(window.driver.execute_script, "const now = Date.now(); Date.now = () => now + 15 * 60_000;")
    await window.see("#notice", "15 minutes")
    await window.see("#sign-in")
    await window.command("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])
    owner = await cluster.owner()
    ended = await owner.fetchval(
        """SELECT revoked_reason FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.username = $1
        ORDER BY s.id DESC LIMIT 1""",
        window.username,
    )
    await owner.close()
    assert ended == "logout"


async def test_a_rule_is_tried_out_saved_and_put_in_force(cluster: Cluster, person, open_console: OpenConsole):
    alice = await person("alice")
    await alice.call("post.create", text="an innocent text")
    window = await open_console("admin")
    await window.press("g")
    await window.click("#new-rule")
    await window.write("#rule-form [name=name]", name := cluster.unique("rule"))
    await window.write("#rule-form [name=expression]", f'text.contains("{as_part(cluster.unique("word"))}")')
    await window.click("#try-rule")
    await window.see("#trial p", "Would have hit 0 /")
    await window.click("#rule-form [type=submit]")
    await window.see("#rule-list li", name)
    assert await violations(window) == []
    await window.click("#rule-form button", "Put in force")
    await window.see("#rule-list li", f"{name}\nin force")
    await window.click("#rule-form button", "Take out of force")
    await window.see("#rule-list li", f"{name}\noff")
    assert await window.complaints() == []


async def test_an_appeal_is_read_and_answered(cluster: Cluster, person, open_console: OpenConsole):
    alice, bob = await person("alice"), await person("bob")
    judge = await appoint(cluster, await person("judge"))
    post_id, case_id = await posted_and_reported(cluster, alice, bob, "a quotation")
    await judge.call("case.decide", case_id=case_id, action="remove")
    [limit] = (await alice.call("account.limits"))["items"]
    await alice.call("appeal.create", decision_id=limit["decision_id"], text="I only quote a song.")
    window = await open_console()
    await open_case(window, await case_of(cluster, "post", post_id))
    await window.see("#case section blockquote", "I only quote a song.")
    assert await violations(window) == []
    await window.click("#case [data-outcome=overturned]")
    await window.see("#notice", "Overturn")
    assert (await bob.call("post.get", post_id=post_id))["text"] == "a quotation"
