"""Cases: the queue of the moderators, claims that colleagues see, notes and history."""

import asyncio

import pytest

from protocol.rpc import methods
from tests.cluster import Cluster
from tests.contract.moderators import appoint, opened, reported
from tests.contract.test_chats import create_group
from tests.contract.test_every_argument import smallest_argument

OF_MODERATORS = sorted(method.name for method in methods if method.role is not None)


async def views(cluster: Cluster, case_id: str) -> int:
    """How many views of the case are in the audit trail."""
    owner = await cluster.owner()
    found = await owner.fetchval(
        "SELECT count(*) FROM audit WHERE action = 'case.view' AND resource = $1", f"case:{case_id}"
    )
    await owner.close()
    return found


@pytest.mark.parametrize("name", OF_MODERATORS)
async def test_methods_of_moderators_are_refused_to_all_others(cluster: Cluster, person, name):
    method = methods.get(name)
    alice = await person("alice")
    for role in ("user", "creator", *(["moderator"] if method.role == "admin" else [])):
        await appoint(cluster, alice, role)
        assert (await alice.refused(name, **smallest_argument(method))).code == "PERMISSION_DENIED", role


async def test_a_moderator_who_loses_the_role_hears_nothing_more(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    moderator = await appoint(cluster, await person("moderator", node="b"))
    await moderator.call("case.watch")
    await appoint(cluster, moderator, "user")
    await moderator.expect("session.revoked", reason="revoked")
    await reported(cluster, bob, "user", alice.id)
    await cluster.settle()
    assert moderator.heard("case.opened") == []


async def test_a_case_shows_what_was_reported_as_it_was(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    moderator = await appoint(cluster, await person("moderator", node="b"))
    await moderator.call("case.watch")
    post = await alice.call("post.create", text="the first text")
    case_id = await reported(cluster, bob, "post", post["id"], reason="hate", text="look")
    case = await opened(moderator, post["id"])
    assert (case["id"], case["owner_id"], case["reason"], case["severity"]) == (case_id, alice.id, "hate", 2)
    await alice.call("post.edit", post_id=post["id"], text="the second text", version=post["version"])
    shown = await moderator.call("case.get", case_id=case_id)
    assert (shown["snapshot"]["text"], shown["snapshot"]["author"]["id"]) == ("the first text", alice.id)
    [report] = shown["reports"]
    assert (report["reporter"]["id"], report["text"], report["weight"]) == (bob.id, "look", 0.5)
    carol = await person("carol")
    assert await reported(cluster, carol, "post", post["id"]) == case_id
    await alice.call("post.delete", post_id=post["id"])
    assert (await moderator.call("case.get", case_id=case_id))["snapshot"]["text"] == "the second text"
    acts = (await moderator.call("case.history", case_id=case_id))["items"]
    assert [(act["kind"], act["actor"]) for act in acts] == [("changed", None), ("opened", None)]
    assert acts[0]["snapshot"]["text"] == "the first text"
    assert await views(cluster, case_id) == 0


async def test_the_queue_is_sorted_and_paged(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    moderator = await appoint(cluster, await person("moderator", node="b"))
    posts = [(await alice.call("post.create", text=f"post {number}"))["id"] for number in range(3)]
    grave = [await reported(cluster, bob, "post", post, reason="minors") for post in posts]
    light = await reported(cluster, bob, "user", alice.id, reason="impersonation")
    await cluster.settle()

    async def pages(**choices) -> list[str]:
        found, cursor = [], None
        while True:
            page = await moderator.call("case.list", limit=2, cursor=cursor, **choices)
            found += [case["id"] for case in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    everything = await pages()
    places = [everything.index(each) for each in (*grave, light)]
    assert places == sorted(places)
    assert len({*everything}) == len(everything)
    mine = {*grave, light}
    for choices, expected in (
        ({"reasons": ["minors"]}, grave),
        ({"reasons": ["impersonation"], "target_types": ["user"]}, [light]),
        ({"reasons": ["minors", "impersonation"], "sources": ["report"]}, [*grave, light]),
        ({"target_types": ["room"]}, []),
        ({"severity": 4}, grave),
        ({"claimed": "mine"}, []),
    ):
        assert [each for each in await pages(**choices) if each in mine] == expected, choices
    of_alice = (await moderator.call("case.list", owner_id=alice.id))["items"]
    assert [case["id"] for case in of_alice] == sorted(mine, key=int, reverse=True)
    cursor = (await moderator.call("case.list", limit=1))["next_cursor"]
    assert (await moderator.refused("case.list", cursor=cursor, severity=1)).fields == ["cursor"]


async def test_colleagues_see_a_claim_within_a_second(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    first = await appoint(cluster, await person("first"))
    second = await appoint(cluster, await person("second", node="b"))
    await second.call("case.watch")
    case_id = await reported(cluster, bob, "user", alice.id)
    clock = asyncio.get_running_loop().time
    began = clock()
    claimed = await first.call("case.claim", case_id=case_id)
    told = await second.expect("case.claimed", case_id=case_id)
    took = clock() - began
    assert took < 1.0
    assert told["claimed_by"]["id"] == claimed["claimed_by"]["id"] == first.id
    assert told["claimed_until"] == claimed["claimed_until"]
    assert (await second.refused("case.claim", case_id=case_id)).code == "FAILED_PRECONDITION"
    free = [case["id"] for case in (await second.call("case.list", limit=100))["items"]]
    assert case_id not in free
    [mine] = (await first.call("case.list", claimed="mine"))["items"]
    assert mine["id"] == case_id
    assert (await first.call("case.claim", case_id=case_id))["claimed_until"] > claimed["claimed_until"]
    for _ in range(2):
        await second.call("case.release", case_id=case_id)  # not theirs: changes nothing
    await first.call("case.release", case_id=case_id)
    await second.expect("case.released", case_id=case_id)
    await second.call("case.claim", case_id=case_id)
    acts = [act["kind"] for act in (await first.call("case.history", case_id=case_id))["items"]]
    assert acts == ["claimed", "released", "claimed", "opened"]


async def test_an_expired_claim_holds_nobody_up(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    first, second = [await appoint(cluster, await person(name)) for name in ("first", "second")]
    case_id = await reported(cluster, bob, "user", alice.id)
    await first.call("case.claim", case_id=case_id)
    owner = await cluster.owner()
    await owner.execute("UPDATE cases SET claimed_until = now() - interval '1 s' WHERE id = $1", int(case_id))
    await owner.close()
    assert (await second.call("case.get", case_id=case_id))["summary"]["claimed_by"] is None
    assert (await second.call("case.claim", case_id=case_id))["claimed_by"]["id"] == second.id


async def test_two_moderators_who_claim_at_once(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    rivals = [await appoint(cluster, await person("rival", node=node)) for node in ("a", "b")]
    case_id = await reported(cluster, bob, "user", alice.id)
    answers = await asyncio.gather(*(rival.answer("case.claim", {"case_id": case_id}) for rival in rivals))
    assert sorted(answer["ok"] for answer in answers) == [False, True]


async def test_a_moderator_claims_no_more_than_20_cases(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    moderator = await appoint(cluster, await person("moderator"))
    claims = []
    for number in range(21):
        post = await alice.call("post.create", text=str(number))
        claims.append(await reported(cluster, bob, "post", post["id"]))
    for case_id in claims[:20]:
        await moderator.call("case.claim", case_id=case_id)
    refused = await moderator.refused("case.claim", case_id=claims[20])
    assert (refused.code, "20" in refused.message) == ("FAILED_PRECONDITION", True)
    await moderator.call("case.claim", case_id=claims[0])  # a renewal
    await moderator.call("case.release", case_id=claims[0])
    await moderator.call("case.claim", case_id=claims[20])


async def test_nobody_judges_themselves(cluster: Cluster, person):
    bob = await person("bob")
    moderator = await appoint(cluster, await person("moderator"))
    case_id = await reported(cluster, bob, "user", moderator.id)
    assert (await moderator.refused("case.claim", case_id=case_id)).code == "PERMISSION_DENIED"


async def test_each_view_of_what_is_private_is_audited(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    moderator = await appoint(cluster, await person("moderator"))
    chat = await create_group(alice, bob)
    seq = (await alice.call("chat.send", chat_id=chat, text="a threat"))["seq"]
    private = await reported(cluster, bob, "message", chat, seq=seq, reason="violence")
    proof = {"target_type": "message", "target_id": chat, "seq": seq}
    with_proof = await reported(cluster, bob, "user", alice.id, evidence=[proof])
    shown = await moderator.call("case.get", case_id=private)
    assert (shown["summary"]["is_private"], shown["snapshot"]["text"]) == (True, "a threat")
    shown = await moderator.call("case.get", case_id=with_proof)
    assert shown["reports"][0]["evidence"][0]["snapshot"]["text"] == "a threat"
    await moderator.call("case.history", case_id=private)
    await moderator.call("case.list", owner_id=alice.id)
    assert [await views(cluster, private), await views(cluster, with_proof)] == [2, 1]
    owner = await cluster.owner()
    actors = await owner.fetch("SELECT DISTINCT actor_id FROM audit WHERE resource = $1", f"case:{private}")
    await owner.close()
    assert [row["actor_id"] for row in actors] == [int(moderator.id)]


async def test_notes_are_for_colleagues(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    moderator = await appoint(cluster, await person("moderator"))
    case_id = await reported(cluster, bob, "user", alice.id)
    for text in ("first", "second"):
        await moderator.call("case.note", case_id=case_id, text=text)
    page = await moderator.call("case.history", case_id=case_id, limit=2)
    assert [(act["kind"], act["note"], act["actor"]["id"]) for act in page["items"]] == [
        ("noted", "second", moderator.id), ("noted", "first", moderator.id)
    ]  # fmt: skip
    page = await moderator.call("case.history", case_id=case_id, cursor=page["next_cursor"])
    assert [act["kind"] for act in page["items"]] == ["opened"]
    for method, more in (("get", {}), ("history", {}), ("claim", {}), ("release", {}), ("note", {"text": "x"})):
        assert (await moderator.refused(f"case.{method}", case_id="1", **more)).code == "NOT_FOUND"
