"""Verification of creators: documents that moderators alone see, a decision, a badge."""

import secrets

from tests.cluster import Cluster
from tests.contract.moderators import appoint
from tests.contract.test_auth import register
from tests.faults import soon


async def documents(cluster: Cluster, who, amount: int = 2) -> tuple[list[str], list[str]]:
    """Ready images of that user, with an object each. Returns their ids, and the keys."""
    owner = await cluster.owner()
    objects, ids, keys = cluster.stores.objects, [], []
    for _ in range(amount):
        media_id = cluster.stores.ids.mint()
        keys.append(f"private/{media_id}/{secrets.token_urlsafe(16)}/")
        await owner.execute(
            """INSERT INTO media (id, owner_id, kind, status, content_type, filename, size_bytes, object_key, width,
                height)
            VALUES ($1, $2, 'image', 'ready', 'image/webp', 'passport.png', 9, $3, 10, 10)""",
            media_id, int(who.id), keys[-1],
        )  # fmt: skip
        await objects._client.put_object(Bucket=objects.bucket, Key=f"{keys[-1]}large.webp", Body=b"passport")
        ids.append(str(media_id))
    await owner.close()
    return ids, keys


async def waiting(moderator, user) -> str:
    """The id of the user's request in the queue."""
    cursor = None
    while True:
        page = await moderator.call("verification.list", **({"cursor": cursor} if cursor else {}))
        for item in page["items"]:
            if item["user"]["id"] == user.id:
                return item["id"]
        cursor = page["next_cursor"]
        assert cursor is not None, "the request is not in the queue"


async def test_an_approved_user_gets_the_badge_and_the_documents_are_deleted(cluster: Cluster, person):
    alice, _ = await register(cluster)
    moderator, bob = await person("moderator"), await person("bob", node="b")
    await appoint(cluster, moderator)
    ids, keys = await documents(cluster, alice)
    assert (await alice.call("account.verification"))["state"] == "none"
    for _ in range(2):
        assert (await alice.call("account.verification", documents=ids))["state"] == "waiting"
    for media_id in ids:
        for other in (bob, moderator):
            assert (await other.refused("media.get", media_id=media_id)).code == "NOT_FOUND"
    asked = await waiting(moderator, alice)
    shown = await moderator.call("verification.documents", verification_id=asked)
    assert [item["id"] for item in shown["items"]] == ids
    decided = await moderator.call("verification.decide", verification_id=asked, decision="approved")
    assert decided == {"state": "approved"}
    # The first decision stands.
    later = await moderator.call("verification.decide", verification_id=asked, decision="refused")
    assert later == {"state": "approved"}
    assert (await bob.call("user.get", user_id=alice.id))["is_verified"]
    assert (await alice.call("account.verification"))["state"] == "approved"
    assert (await moderator.refused("verification.documents", verification_id=asked)).code == "NOT_FOUND"

    async def left() -> int:
        return sum([len(await cluster.stores.objects.page(key)) for key in keys])

    await soon(left, 0)
    owner = await cluster.owner()
    actions = await owner.fetch("SELECT action FROM audit WHERE resource = $1 ORDER BY id", f"verification:{asked}")
    role = await owner.fetchval("SELECT role FROM users WHERE id = $1", int(alice.id))
    await owner.close()
    assert [row["action"] for row in actions] == ["verification.request", "verification.view", "verification.approved"]
    assert role == "creator"


async def test_a_refused_user_is_told_why_and_may_ask_again(cluster: Cluster, person):
    alice, _ = await register(cluster)
    moderator = await person("moderator")
    await appoint(cluster, moderator)
    ids, _ = await documents(cluster, alice)
    await alice.call("account.verification", documents=ids[:1])
    asked = await waiting(moderator, alice)
    refusal = {"verification_id": asked, "decision": "refused", "reason": "The picture is blurred."}
    await moderator.call("verification.decide", **refusal)
    state = await alice.call("account.verification")
    assert (state["state"], state["reason"]) == ("refused", "The picture is blurred.")
    assert (await alice.call("account.verification", documents=ids[1:]))["state"] == "waiting"


async def test_documents_are_own_images_and_nobody_decides_for_themselves(cluster: Cluster, person):
    moderator, _ = await register(cluster)
    await appoint(cluster, moderator)
    bob = await person("bob")
    of_bob, _ = await documents(cluster, bob, 1)
    own, _ = await documents(cluster, moderator, 1)
    failed = await moderator.refused("account.verification", documents=[*own, *of_bob])
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["documents"])
    assert (await moderator.call("account.verification"))["state"] == "none"  # nothing was written
    await moderator.call("account.verification", documents=own)
    asked = await waiting(moderator, moderator)
    refused = await moderator.refused("verification.decide", verification_id=asked, decision="approved")
    assert refused.code == "NOT_FOUND"
