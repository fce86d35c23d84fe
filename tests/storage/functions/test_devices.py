"""Devices, by the database alone: whose they are, how many, and when they are gone."""

import asyncio

import asyncpg
import pytest

from tests.cluster import Cluster
from tests.storage.functions.rows import Rows

INSERT = "INSERT INTO push_devices (id, user_id, session_id, kind, token) VALUES ($1, $2, $3, $4, $5)"


async def account(rows: Rows, **columns) -> int:
    user = await rows.user(**columns)
    await rows.add("accounts", user_id=user, email=f"{user}@x", email_key=f"{user}@x", locale="en-GB")
    return user


async def register(rows: Rows, device: int, user: int, session: int | None, token: str, kind: str = "fcm") -> bool:
    return (await rows.connection.execute(INSERT, device, user, session, kind, token)) == "INSERT 0 1"


async def devices(rows: Rows) -> list[int]:
    return [row[0] for row in await rows.table("SELECT id FROM push_devices WHERE id < 1000 ORDER BY id")]


async def test_a_device_leaves_the_user_who_had_it(rows: Rows):
    alice, bob = await rows.users(2)
    await register(rows, 101, alice, await rows.session(alice), "a" * 64)
    await register(rows, 102, alice, await rows.session(alice), "another token")
    await register(rows, 103, bob, await rows.session(bob), "a" * 64, kind="apns")
    assert await devices(rows) == [101, 102, 103]  # tokens of two kinds have nothing to do with each other
    await register(rows, 104, bob, await rows.session(bob), "a" * 64)
    assert await devices(rows) == [102, 103, 104]


async def test_a_session_has_one_device_of_a_kind(rows: Rows):
    alice = await account(rows)
    session, other = await rows.session(alice), await rows.session(alice)
    for device, (on, token, kind) in enumerate(
        [(session, "old", "fcm"), (other, "other", "fcm"), (session, "a" * 64, "apns"), (session, "new", "fcm")], 101
    ):
        await register(rows, device, alice, on, token, kind)
    assert await devices(rows) == [102, 103, 104]
    await register(rows, 105, alice, None, "old address", "email")
    await register(rows, 106, alice, None, "new address", "email")
    assert await devices(rows) == [102, 103, 104, 106]


async def test_a_user_keeps_the_20_devices_that_were_registered_last(rows: Rows):
    alice, bob = await rows.users(2)
    await register(rows, 99, bob, await rows.session(bob), "token of bob")
    for number in range(20):
        await register(rows, 100 + number, alice, await rows.session(alice), f"token {number}")
    await rows.connection.execute("UPDATE push_devices SET registered_at = now() + interval '1 s' WHERE id = 100")
    assert len(await devices(rows)) == 21
    await register(rows, 120, alice, await rows.session(alice), "token 20")
    assert await devices(rows) == [99, 100, *range(102, 121)]


async def test_a_repetition_removes_no_other_device(rows: Rows):
    alice = await rows.user()
    sessions = [await rows.session(alice) for _ in range(20)]
    for number, session in enumerate(sessions):
        await register(rows, 100 + number, alice, session, f"token {number}")
    again = f"{INSERT} ON CONFLICT (kind, token) DO UPDATE SET registered_at = now()"
    await rows.connection.execute(again, 200, alice, sessions[3], "fcm", "token 3")
    assert await devices(rows) == [*range(100, 120)]


async def test_a_revoked_session_has_no_devices(rows: Rows):
    alice = await account(rows)
    session, other = await rows.session(alice), await rows.session(alice)
    await register(rows, 101, alice, session, "token")
    await register(rows, 102, alice, other, "other")
    await register(rows, 103, alice, None, f"{alice}@x", "email")
    await rows.connection.execute("UPDATE sessions SET last_seen_at = now() WHERE id = $1", session)
    assert await devices(rows) == [101, 102, 103]
    await rows.connection.execute("UPDATE sessions SET revoked_at = now() WHERE id = $1", session)
    assert await devices(rows) == [102, 103]
    assert not await register(rows, 104, alice, session, "token")
    assert await devices(rows) == [102, 103]


async def test_a_suspended_user_has_no_devices(rows: Rows):
    alice = await rows.user()
    await register(rows, 101, alice, await rows.session(alice), "token")
    await rows.connection.execute("UPDATE users SET status = 'suspended' WHERE id = $1", alice)
    assert await devices(rows) == []


async def test_which_devices_may_be_sent_to(rows: Rows):
    alice, bob, carol, dina = [await account(rows, status=status) for status in ("active",) * 3 + ("suspended",)]
    for device, (user, columns, kind, token) in enumerate(
        [
            (alice, {}, "fcm", "token 1"),
            (alice, {"expires_at": await rows.now(seconds=-1)}, "fcm", "token 2"),
            (alice, {"revoked_at": await rows.now()}, "fcm", "token 3"),
            (bob, {}, "apns", "b" * 64),
            (carol, {}, "fcm", "token 4"),
            (dina, {}, "fcm", "token 5"),
        ],
        101,
    ):
        session = await rows.session(user, **columns)
        await rows.add("push_devices", id=device, user_id=user, session_id=session, kind=kind, token=token)
    for device, (user, token) in enumerate([(alice, f"{alice}@x"), (bob, "old@x"), (dina, f"{dina}@x")], 111):
        await rows.add("push_devices", id=device, user_id=user, kind="email", token=token)
    found = await rows.list(None, "push_devices_of", [alice, bob, dina])
    assert [tuple(each) for each in found] == [
        (101, alice, "fcm", "token 1", "en-GB"),
        (104, bob, "apns", "b" * 64, "en-GB"),
        (111, alice, "email", f"{alice}@x", "en-GB"),
    ]


@pytest.mark.parametrize(
    ("kind", "token"),
    [
        ("sms", "token"), ("fcm", ""), ("fcm", "x" * 2_049), ("apns", "../" + "a" * 61), ("apns", "A" * 64),
        ("apns", "a" * 63), ("webpush", '{"endpoint":"http://x"}'), ("email", "a@x"),
    ],
)  # fmt: skip
async def test_tokens_that_would_harm_are_refused(rows: Rows, kind: str, token: str):
    """Also an e-mail that belongs to a session."""
    alice = await rows.user()
    assert await rows.is_refused(INSERT, 101, alice, await rows.session(alice), kind, token)


async def test_a_revocation_and_a_registration_at_once_leave_no_device(idle_cluster: Cluster):
    """In either order: the registration holds the session, and the revocation then deletes what it sees."""
    name = idle_cluster.unique("alice")
    await idle_cluster.tokens([name])
    first, second = await idle_cluster.owner(), await idle_cluster.owner()
    user = await first.fetchval("SELECT id FROM users WHERE username = $1", name)
    session = await first.fetchval("SELECT id FROM sessions WHERE user_id = $1", user)
    revoke = "UPDATE sessions SET revoked_at = now() WHERE id = $1"
    count = "SELECT count(*) FROM push_devices WHERE user_id = $1"
    registering = first.transaction()
    await registering.start()
    await first.execute(INSERT, user, user, session, "fcm", name)
    revoking = asyncio.create_task(second.execute(revoke, session))
    await is_waiting(first, second)
    await registering.commit()
    await revoking
    assert await first.fetchval(count, user) == 0

    await first.execute("UPDATE sessions SET revoked_at = NULL WHERE id = $1", session)
    transaction = first.transaction()
    await transaction.start()
    await first.execute(revoke, session)
    late = asyncio.create_task(second.execute(INSERT, user, user, session, "fcm", name))
    await is_waiting(first, second)
    await transaction.commit()
    assert await late == "INSERT 0 0"
    for connection in (first, second):
        await connection.close()


async def is_waiting(asking: "asyncpg.Connection[asyncpg.Record]", other: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Return once the other connection waits for a lock."""
    process = other.get_server_pid()
    while not await asking.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", process):
        await asyncio.sleep(0.01)
