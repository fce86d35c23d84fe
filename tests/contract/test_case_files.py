"""Files of cases: moderators see what was reported, whatever its author does, for as long as they may have to look."""

import pytest

from storage import cases
from tests.cluster import Cluster
from tests.contract.moderators import appoint, reported
from tests.contract.test_withheld_files import objects_of, status_of, write
from tests.faults import soon
from tests.media_files import add_file, ask
from tests.moderating import moderating

DELETED_BY = {"post": "post.delete", "comment": "comment.delete", "message": "chat.delete"}


async def delete(author, what: str, target_id: str) -> None:
    if what == "message":
        await author.call("chat.delete", chat_id=target_id, seq=1, **{"for": "everyone"})
    else:
        await author.call(DELETED_BY[what], **{f"{what}_id": target_id})


async def url_in_case(moderator, case_id: str) -> str | None:
    [file] = (await moderator.call("case.get", case_id=case_id))["snapshot"]["media"]
    return file["url"]


async def let_go(cluster: Cluster, case_id: str) -> None:
    """Have the time of the case's files be over, and workers notice it."""
    await ask(cluster, "UPDATE case_files SET until = until - interval '6 months' WHERE case_id = $1", int(case_id))
    async with cluster.worker_database.transaction() as tx:
        await cases.let_files_go(tx, 100)
    await cluster.settle()


@pytest.mark.parametrize("what", DELETED_BY)
async def test_a_reported_file_is_kept_for_its_case_when_it_is_deleted(cluster: Cluster, person, what):
    alice, bob = await person("alice"), await person("bob", node="b")
    moderator = await appoint(cluster, await person("moderator"))
    file = await add_file(cluster, alice, stored=True)
    target_type, target_id, more = await write(alice, bob, what, file)
    case_id = await reported(cluster, bob, target_type, target_id, **more)
    seen = (await bob.call("media.get", media_id=file))["variants"][0]["url"]
    await delete(alice, what, target_id)
    await cluster.settle()
    assert (await bob.refused("media.get", media_id=file)).code == "NOT_FOUND"
    assert await soon(lambda: status_of(seen), 404) == 404
    assert await status_of(await url_in_case(moderator, case_id)) == 200

    await moderator.call("case.decide", case_id=case_id, action="warn")
    await let_go(cluster, "0")
    assert await status_of(await url_in_case(moderator, case_id)) == 200  # it can be appealed against
    await let_go(cluster, case_id)
    assert await url_in_case(moderator, case_id) is None
    assert await objects_of(cluster, file) == []


async def test_a_file_of_two_cases_is_kept_for_the_last(cluster: Cluster, person):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    moderator = await appoint(cluster, await person("moderator"))
    file = await add_file(cluster, alice, stored=True)
    post = (await alice.call("post.create", text="x", media_ids=[file]))["id"]
    other = (await carol.call("post.create", text="y"))["id"]
    first = await reported(cluster, bob, "post", post)
    second = await reported(cluster, bob, "post", other, evidence=[{"target_type": "post", "target_id": post}])
    await alice.call("post.delete", post_id=post)
    for case_id in (first, second):
        await moderator.call("case.decide", case_id=case_id, action="warn")
    await let_go(cluster, first)
    [report] = (await moderator.call("case.get", case_id=second))["reports"]
    [shown] = report["evidence"][0]["snapshot"]["media"]
    assert await status_of(shown["url"]) == 200
    await let_go(cluster, second)
    assert await objects_of(cluster, file) == []


async def test_what_nobody_reported_goes_at_once(cluster: Cluster, person):
    alice = await person("alice")
    file = await add_file(cluster, alice, stored=True)
    post = (await alice.call("post.create", text="x", media_ids=[file]))["id"]
    await alice.call("post.delete", post_id=post)
    await cluster.settle()
    assert await objects_of(cluster, file) == []


async def test_a_removed_file_can_be_judged_again_and_its_case_stays_decided(cluster: Cluster, person):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    moderator = await appoint(cluster, await person("moderator"))
    file = await add_file(cluster, alice, stored=True)
    post = (await alice.call("post.create", text="x", media_ids=[file]))["id"]
    case_id = await reported(cluster, bob, "post", post)
    await moderator.call("case.decide", case_id=case_id, action="remove")
    await cluster.settle()
    assert await status_of(await url_in_case(moderator, case_id)) == 200
    async with moderating(cluster) as operator:
        await operator.decide("post", post, "approve")
    await cluster.settle()
    await carol.call("report.create", target_type="post", target_id=post, reason="spam")
    of_post = "SELECT id::text FROM cases WHERE target_id = $1"
    assert await ask(cluster, of_post, int(post)) == [(case_id,)]  # its file has moved, but has not changed
