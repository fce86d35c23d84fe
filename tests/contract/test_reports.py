"""Reports: one case for each target, however many report it; and what reporters see of theirs."""

import asyncio

from tests.cluster import Cluster
from tests.contract.moderators import appoint, opened

MANY = 1_000
TOGETHER = 40


async def test_a_report_and_its_list(cluster: Cluster, person):
    alice, bob, carol = await person("alice"), await person("bob", node="b"), await person("carol")
    post = await alice.call("post.create", text="buy now")
    report = await bob.call(
        "report.create", target_type="post", target_id=post["id"], reason="scam", text="  it is a scam "
    )
    assert report.items() >= {
        "target_type": "post", "target_id": post["id"], "seq": 0, "reason": "scam", "text": "it is a scam",
        "status": "received",
    }.items()  # fmt: skip
    other = await bob.call("report.create", target_type="user", target_id=alice.id, reason="impersonation")
    page = await bob.call("report.list", limit=1)
    assert page["items"] == [other]
    page = await bob.call("report.list", cursor=page["next_cursor"])
    assert (page["items"], page["next_cursor"]) == ([report], None)
    assert (await carol.call("report.list"))["items"] == []
    assert (await carol.refused("report.retract", report_id=report["id"])).code == "NOT_FOUND"
    retracted = await bob.call("report.retract", report_id=report["id"])
    assert retracted == {**report, "status": "retracted"}


async def test_what_cannot_be_reported(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    post = await alice.call("post.create", text="for me", visibility="private")
    own = await bob.call("post.create", text="mine")
    asked = {"target_type": "post", "target_id": post["id"], "reason": "spam"}
    assert (await bob.refused("report.create", **asked)).code == "NOT_FOUND"
    assert (await bob.refused("report.create", **{**asked, "target_id": own["id"]})).code == "FAILED_PRECONDITION"
    assert (await bob.refused("report.create", **asked, seq=1)).fields == ["seq"]
    assert (await bob.refused("report.create", **{**asked, "target_type": "message"})).fields == ["seq"]
    on_alice = {"target_type": "user", "target_id": alice.id, "reason": "spam"}
    proof = {"target_type": "post", "target_id": own["id"]}
    for evidence, field in (
        ([proof, {"target_type": "post", "target_id": post["id"]}], "evidence[1]"),
        ([{**proof, "seq": 1}], "evidence[0].seq"),
        ([{**proof, "target_id": "9223372036854775808"}], "evidence[0].target_id"),
        ([proof] * 6, "evidence"),
    ):
        refused = await bob.refused("report.create", **on_alice, evidence=evidence)
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field])
    assert (await bob.call("report.list"))["items"] == []


async def test_a_thousand_reports_of_one_post_are_one_case(cluster: Cluster, person):
    """One case and one push to the queue. A bystander is served meanwhile."""
    alice, bystander = await person("alice"), await person("bystander", node="b")
    moderator = await appoint(cluster, await person("moderator", node="b"))
    await moderator.call("case.watch")
    post = (await alice.call("post.create", text="a provocation"))["id"]
    names = [cluster.unique("reporter") for _ in range(MANY)]
    tokens = await cluster.tokens(names)
    done = asyncio.Event()
    waits: list[float] = []

    async def report(mine: list[tuple[str, str]]) -> None:
        for name, token in mine:
            reporter = cluster.new_client(name, "python-msgpack")
            await cluster.connect(reporter, node="a", codec="msgpack", token=token)
            await reporter.call("report.create", target_type="post", target_id=post, reason="spam")
            await reporter.close()

    async def look_on() -> None:
        while not done.is_set():
            began = asyncio.get_running_loop().time()
            await bystander.call("post.get", post_id=post)
            waits.append(asyncio.get_running_loop().time() - began)
            await asyncio.sleep(0.02)

    looking = asyncio.create_task(look_on())
    pairs = list(zip(names, tokens, strict=True))
    await asyncio.gather(*(report(pairs[start::TOGETHER]) for start in range(TOGETHER)))
    done.set()
    await looking
    await cluster.settle(moderator)
    case = await opened(moderator, post)
    assert post not in {push["case"]["target_id"] for push in moderator.heard("case.opened")}
    counted = [push for push in moderator.heard("case.counted") if push["case_id"] == case["id"]]
    assert counted[-1]["report_count"] == MANY
    assert len(counted) < MANY / 2
    shown = await moderator.call("case.get", case_id=case["id"])
    assert (shown["summary"]["report_count"], len(shown["reports"])) == (MANY, 20)
    assert sorted(waits)[len(waits) // 2] < 1.0
