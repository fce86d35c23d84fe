"""An export has everything about its user, nothing of others, and a manifest that its signature proves."""

import asyncio
import base64
import hashlib
import io
import json
import secrets
import zipfile

import aiohttp
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from storage.personal_data import PERSONAL
from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.faults import Held, soon
from tests.moderating import moderating
from tests.workers.lives import live
from workers import exports


async def make_all(cluster: Cluster) -> None:
    while await exports.export_next(cluster.workers.tools):
        pass


async def download(url: str) -> zipfile.ZipFile:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 200
        return zipfile.ZipFile(io.BytesIO(await answer.read()))


def verify(archive: zipfile.ZipFile, public: str) -> list[str]:
    """Check the signature and every entry, as docs/accounts.md says. Returns the names of the entries."""
    manifest = archive.read("manifest.json")
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public))
    key.verify(base64.b64decode(archive.read("manifest.sig")), manifest)
    entries = json.loads(manifest)["entries"]
    for entry in entries:
        content = archive.read(entry["path"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["size"], entry["sha256"])
    assert {entry["path"] for entry in entries} | {"manifest.json", "manifest.sig"} == {*archive.namelist()}
    return [entry["path"] for entry in entries]


async def test_an_export_has_everything_of_its_user_and_nothing_of_others(cluster: Cluster, person):
    token, other = (f"q{secrets.token_hex(6)}z" for _ in range(2))
    alice, _ = await register(cluster, device={"name": f"phone {token}"})
    bob, _ = await register(cluster, node="b")
    things = await live(alice, bob, token)
    await bob.call("post.create", text=f"private {other}", visibility="private")
    await bob.call("chat.send", chat_id=things["chats"][0], text=f"Bob said {other}")
    carol = await person("carol")
    await carol.call("graph.block", user_id=alice.id)
    await carol.call("graph.mute", user_id=alice.id, kind="all")
    await cluster.settle()
    assert (await alice.call("account.export", password=PASSWORD))["state"] == "waiting"
    await make_all(cluster)
    pushed = await alice.expect("account.exported")
    ready = await alice.call("account.export", password=PASSWORD)
    assert (ready["state"], ready["expires_at"]) == ("ready", pushed["expires_at"])
    archive = await download(ready["url"])
    names = verify(archive, cluster.workers.tools.export_key.public)
    assert {f"{table.table}.json" for table in PERSONAL if table.mine} <= {*names}
    rows = {table.table: json.loads(archive.read(f"{table.table}.json")) for table in PERSONAL if table.mine}
    assert {*(post["text"] for post in rows["posts"])} == {f"post {token} #{token}", f"deleted {token}"}
    marked = {name for name, found in rows.items() if token in json.dumps(found)}
    expected = """posts comments chat_messages chat_edits rooms room_messages circles collections media recent_searches
        sessions users"""
    assert {*expected.split()} <= marked
    assert rows["accounts"][0]["email"] == f"{alice.name}@example.org"
    everything = " ".join(archive.read(name).decode(errors="replace") for name in names)
    assert other not in everything
    assert carol.id not in json.dumps(rows["blocks"]) + json.dumps(rows["mutes"])
    owner = await cluster.owner()
    secret = await owner.fetchval("SELECT password_hash FROM accounts WHERE user_id = $1", int(alice.id))
    await owner.close()
    assert secret not in everything
    await cluster.settle()
    assert any(item["kind"] == "system" for item in (await alice.call("notification.list"))["items"])


async def test_media_are_in_the_archive_as_they_are_in_the_store(cluster: Cluster, person, monkeypatch):
    alice, _ = await register(cluster)
    body = b"x" * 3_000_000
    owner = await cluster.owner()
    key = f"private/{alice.id}/{secrets.token_urlsafe(16)}/"
    await owner.execute(
        """INSERT INTO media (id, owner_id, kind, status, content_type, filename, size_bytes, object_key)
        VALUES ($1, $1, 'image', 'ready', 'image/webp', 'cat.png', $2, $3)""",
        int(alice.id), len(body), key,
    )  # fmt: skip
    objects = cluster.stores.objects
    await objects._client.put_object(Bucket=objects.bucket, Key=f"{key}large.webp", Body=body)
    # Parts of the smallest size, so that there are several.
    monkeypatch.setattr(exports, "PART", 5 * 1024 * 1024)
    await objects._client.put_object(Bucket=objects.bucket, Key=f"{key}small.webp", Body=body)
    await alice.call("account.export", password=PASSWORD)
    await make_all(cluster)
    archive = await download((await alice.call("account.export", password=PASSWORD))["url"])
    for name in ("large", "small"):
        assert archive.read(f"media/{alice.id}/{name}.webp") == body
    verify(archive, cluster.workers.tools.export_key.public)
    await owner.execute("DELETE FROM media WHERE id = $1", int(alice.id))
    await owner.close()


async def test_a_changed_archive_is_not_genuine(cluster: Cluster, person):
    alice, _ = await register(cluster)
    await alice.call("account.export", password=PASSWORD)
    await make_all(cluster)
    archive = await download((await alice.call("account.export", password=PASSWORD))["url"])
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as copy:
        for name in archive.namelist():
            copy.writestr(name, archive.read(name).replace(alice.name.encode(), b"somebody"))
    with pytest.raises(InvalidSignature):
        verify(zipfile.ZipFile(forged), cluster.workers.tools.export_key.public)


async def test_an_export_needs_the_password_and_is_made_once_a_day(cluster: Cluster, person):
    alice, _ = await register(cluster)
    assert (await alice.refused("account.export", password="a wrong password")).fields == ["password"]
    first = await alice.call("account.export", password=PASSWORD)
    assert await alice.call("account.export", password=PASSWORD) == first
    await make_all(cluster)
    ready = await alice.call("account.export", password=PASSWORD)
    assert ready["requested_at"] == first["requested_at"]
    owner = await cluster.owner()
    await owner.execute(
        "UPDATE account_exports SET created_at = now() - interval '25 hours' WHERE user_id = $1", int(alice.id)
    )
    assert (await alice.call("account.export", password=PASSWORD))["state"] == "waiting"
    await owner.execute("DELETE FROM account_exports WHERE user_id = $1", int(alice.id))
    await owner.close()


async def test_an_export_does_not_reveal_what_is_shadowed(cluster: Cluster, person):
    alice, _ = await register(cluster)
    circle = await alice.call("circle.create", name="friends")
    audience = {"visibility": "circle", "circle_id": circle["id"]}
    made = {
        "post": [await alice.call("post.create", text=text, **audience) for text in ("plain", "shadowed")],
        "room": [await alice.call("room.create", topic=topic, **audience) for topic in ("plain", "shadowed")],
    }
    async with moderating(cluster) as moderator:
        for target_type, (_, shadowed) in made.items():
            await moderator.decide(target_type, shadowed["id"], "shadow")
    await alice.call("account.export", password=PASSWORD)
    await make_all(cluster)
    archive = await download((await alice.call("account.export", password=PASSWORD))["url"])
    for target_type, both in made.items():
        rows = {str(row["id"]): row for row in json.loads(archive.read(f"{target_type}s.json"))}
        plain, shadowed = (rows[each["id"]] for each in both)
        assert shadowed["visibility"] == "circle"
        told_apart = {name for name, value in shadowed.items() if value != plain[name]}
        assert told_apart == {"id", "text" if target_type == "post" else "topic"}


@pytest.mark.parametrize("status", ["suspended", "banned"])
async def test_a_suspended_user_gets_the_archive_too(cluster: Cluster, person, status: str):
    alice, _ = await register(cluster)
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET status = $2 WHERE id = $1", int(alice.id), status)
    await owner.close()
    await alice.happened("disconnect")
    guest = await cluster.guest()
    email = f"{alice.name}@example.org"
    assert (await guest.call("auth.login", email=email, password=PASSWORD))["is_restricted"]
    assert (await guest.call("account.export", password=PASSWORD))["state"] == "waiting"
    await make_all(cluster)
    archive = await download((await guest.call("account.export", password=PASSWORD))["url"])
    verify(archive, cluster.workers.tools.export_key.public)
    assert json.loads(archive.read("accounts.json"))[0]["email"] == email


@pytest.mark.parametrize("end", ["expires", "erased"])
async def test_an_archive_goes_after_seven_days_or_with_the_account(cluster: Cluster, person, end):
    alice, _ = await register(cluster)
    await alice.call("account.export", password=PASSWORD)
    await make_all(cluster)
    owner = await cluster.owner()
    key = await owner.fetchval("SELECT object_key FROM account_exports WHERE user_id = $1", int(alice.id))
    assert len(await cluster.stores.objects.page(key)) == 1
    if end == "expires":
        await owner.execute("UPDATE account_exports SET expires_at = now() WHERE user_id = $1", int(alice.id))
        await make_all(cluster)
    else:
        await owner.execute("DELETE FROM account_exports WHERE user_id = $1", int(alice.id))

    async def amount() -> int:
        return len(await cluster.stores.objects.page(key))

    await soon(amount, 0)
    await owner.close()


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_worker_that_comes_late_leaves_the_archive_of_another_one(
    cluster: Cluster, person, monkeypatch: pytest.MonkeyPatch, is_stored: bool
):
    alice, _ = await register(cluster)
    await alice.call("account.export", password=PASSWORD)
    stores = Held(monkeypatch, exports, "_store", behind=is_stored)
    late = asyncio.create_task(exports.export_next(cluster.workers.tools))
    await (stores.done if is_stored else stores.came).wait()
    owner = await cluster.owner()
    await owner.execute("UPDATE account_exports SET claimed_until = now() WHERE user_id = $1", int(alice.id))
    await make_all(cluster)
    stores.go.set()
    assert await late
    archive = await download((await alice.call("account.export", password=PASSWORD))["url"])
    verify(archive, cluster.workers.tools.export_key.public)
    told = "SELECT count(*) FROM system_messages WHERE user_id = $1"
    assert await owner.fetchval(told, int(alice.id)) == 1
    await owner.close()


async def test_an_export_that_a_worker_left_is_begun_again_and_fails_the_third_time(cluster: Cluster, person):
    alice, _ = await register(cluster)
    await alice.call("account.export", password=PASSWORD)
    owner = await cluster.owner()
    states = "SELECT state FROM account_exports WHERE user_id = $1 ORDER BY id"
    left = "UPDATE account_exports SET attempts = 3, claimed_until = now() WHERE user_id = $1"
    await owner.execute(left, int(alice.id))
    await make_all(cluster)
    assert (await alice.call("account.export", password=PASSWORD))["state"] == "waiting"  # a new one
    assert [row["state"] for row in await owner.fetch(states, int(alice.id))] == ["failed", "waiting"]
    await make_all(cluster)
    assert (await alice.call("account.export", password=PASSWORD))["state"] == "ready"
    await owner.close()
