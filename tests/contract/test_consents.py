"""Consents: kept with purpose, version and time; what rests on one that is withdrawn is forgotten."""

from tests.cluster import Cluster
from tests.contract.test_auth import register


def standing(answer) -> dict[str, str]:
    """Purpose → version of the consents that stand."""
    return {item["purpose"]: item["version"] for item in answer["items"] if item["withdrawn_at"] is None}


async def test_a_new_user_has_agreed_to_the_terms_and_to_the_privacy_policy(cluster: Cluster, person):
    alice, _ = await register(cluster)
    assert standing(await alice.call("consent.list")) == {"terms": "1", "privacy": "1"}


async def test_a_newer_version_replaces_the_older_one_which_stays_on_record(cluster: Cluster, person):
    alice, _ = await register(cluster)
    for _ in range(2):
        given = await alice.call("consent.give", purpose="terms", version="2")
        assert standing(given) == {"terms": "2", "privacy": "1"}
    old = [item for item in given["items"] if item["purpose"] == "terms" and item["version"] == "1"]
    assert [item["withdrawn_at"] is None for item in old] == [False]
    assert (await alice.refused("consent.withdraw", purpose="terms")).fields == ["purpose"]


async def test_the_governorate_rests_on_a_consent(cluster: Cluster, person):
    alice, _ = await register(cluster)
    await alice.call("user.update", governorate="giza")
    assert standing(await alice.call("consent.list"))["location"] == "1"
    for _ in range(2):
        assert "location" not in standing(await alice.call("consent.withdraw", purpose="location"))
    assert (await alice.call("user.me"))["governorate"] is None
    await alice.call("user.update", governorate="cairo")
    await alice.call("user.update", governorate=None)
    assert "location" not in standing(await alice.call("consent.list"))


async def test_feeds_learn_nothing_of_a_user_who_does_not_want_it(cluster: Cluster, person):
    alice, _ = await register(cluster)
    bob = await person("bob", node="b")
    post = await bob.call("post.create", text="hello")
    owner = await cluster.owner()
    learnt = "SELECT count(*) FROM affinities WHERE user_id = $1"
    like = {"target_type": "post", "target_id": post["id"], "kind": "love"}
    await alice.call("reaction.set", **like)
    await cluster.settle()
    assert await owner.fetchval(learnt, int(alice.id)) == 1
    await alice.call("consent.withdraw", purpose="personalisation")
    assert await owner.fetchval(learnt, int(alice.id)) == 0
    await alice.call("graph.follow", user_id=bob.id)
    await cluster.settle()
    assert await owner.fetchval(learnt, int(alice.id)) == 0
    await alice.call("consent.give", purpose="personalisation", version="1")
    await alice.call("comment.create", post_id=post["id"], text="hello")
    await cluster.settle()
    assert await owner.fetchval(learnt, int(alice.id)) == 1
    await owner.close()
