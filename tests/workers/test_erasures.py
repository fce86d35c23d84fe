"""An account whose grace period is over is erased: no trace of it is left in any table, bucket, cache, log or index."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.event_logs import prepare_topics
from gateway.search_engines import prepare_search
from storage.personal_data import PERSONAL
from storage.personal_records import Deleted
from tests.cluster import Cluster
from tests.contract.moderators import appoint, reported
from tests.contract.test_auth import PASSWORD, register
from tests.faults import soon
from tests.kafka_broker import KafkaBroker
from tests.media_files import add_file
from tests.opensearch_node import OpenSearchNode
from tests.workers.leftovers import documents_with, kafka_topics_with, lasting_keys_with, objects_of, tables_with
from tests.workers.lives import live
from workers import erasures


async def erase_all_due(cluster: Cluster) -> None:
    while await erasures.erase_next(cluster.workers.tools, asyncio.Event()):
        pass


@pytest_asyncio.fixture(
    loop_scope="session",
    params=[
        "small",
        pytest.param("large", marks=[pytest.mark.kafka, pytest.mark.opensearch, pytest.mark.timeout(300)]),
    ],
)
async def deployment(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    kafka: KafkaBroker,
    opensearch: OpenSearchNode,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Cluster]:
    """The usual cluster, and one with its event log on Kafka and its search on OpenSearch."""
    if request.param == "small":
        yield cluster
        await cluster.leave()
        return
    await opensearch.start()
    prefix = cluster.unique("erasures").replace("_", "-")
    brokers = await kafka.deployment(prefix, [])
    assert brokers.login is not None
    large = Cluster(
        Path(tmp_path_factory.mktemp("large")), None, prefix=prefix, kafka_brokers=brokers.brokers,
        kafka_user=brokers.login.user, kafka_password=brokers.login.password, kafka_mechanism="PLAIN",
        search_engine="opensearch", opensearch_url=opensearch.url,
    )  # fmt: skip
    await large.start_servers()
    await prepare_topics(large.settings())
    await prepare_search(large.settings())
    await large.start_processes()
    yield large
    await large.leave()
    await large.stop()


async def moderate(owner, alice, bob, token: str, things: dict[str, list[str]]) -> None:
    """Cases about posts of both, each reported by the other, with notes of a moderator."""
    case = """INSERT INTO cases (id, target_type, target_id, owner_id, source, reason, severity, snapshot, content_hash,
        is_private) VALUES ($1, 'post', $1, $2, 'report', 'spam', 1, $3, sha256('x'), false)"""
    report = (
        """INSERT INTO reports (id, case_id, reporter_id, reason, text, weight) VALUES ($1, $1, $2, 'spam', $3, 1)"""
    )
    note = "INSERT INTO case_acts (id, case_id, kind, note) VALUES ($1, $1, 'noted', $2)"
    of_alice, of_bob = int(things["posts"][0]), int(things["posts"][-1])
    for target, author, reporter in ((of_alice, alice, bob), (of_bob, bob, alice)):
        await owner.execute(case, target, int(author.id), f'{{"text": "{token if author is alice else "hello"}"}}')
        await owner.execute(report, target, int(reporter.id), f"{token} is to be removed")
    await owner.execute(note, of_alice, f"{token} again")


async def test_no_trace_of_an_erased_account_is_left(cluster: Cluster, deployment: Cluster):
    token = f"q{secrets.token_hex(6)}z"
    alice, _ = await register(
        deployment,
        username=f"u_{token}",
        email=f"{token}@example.org",
        birth_date="1990-05-05",
        device={"name": f"phone {token}"},
    )
    bob = await deployment.person("bob", node="b")
    things = await live(alice, bob, token)
    await deployment.settle()
    owner = await deployment.owner()
    await moderate(owner, alice, bob, token, things)
    digests = "SELECT count(*) FROM room_digests WHERE room_id = ANY ($1)"
    await soon(lambda: owner.fetchval(digests, list(map(int, things["rooms"]))), 2)
    keys = [
        row["object_key"]
        for row in await owner.fetch("SELECT object_key FROM media WHERE owner_id = $1", int(alice.id))
    ]
    # Otherwise the test would prove nothing.
    marked = {*await tables_with(owner, token)}
    expected = """users accounts sessions posts comments chat_messages chat_edits rooms room_messages room_digests
        circles cases reports case_acts collections media recent_searches push_devices"""
    assert {*expected.split()} <= marked
    assert await objects_of(deployment, keys)
    assert await kafka_topics_with(deployment, alice.id) or deployment is cluster
    assert await documents_with(deployment, token) or deployment is cluster

    await alice.call("account.delete", password=PASSWORD)
    await erase_all_due(deployment)
    assert "users" in await tables_with(owner, token)  # not before its time
    await owner.execute("UPDATE account_deletions SET erase_at = now() WHERE user_id = $1", int(alice.id))
    await erase_all_due(deployment)
    await deployment.settle()
    # The outbox keeps sent events for 15 minutes, the log keeps handled ones for longer: they hold ids alone.
    assert await tables_with(owner, token) == []
    assert await kafka_topics_with(deployment, token) == []
    assert await documents_with(deployment, token) == []
    for table in PERSONAL:
        if table.mine and all(isinstance(way, Deleted) for way in table.erased):
            condition = table.mine.replace("person", alice.id)
            assert await owner.fetchval(f"SELECT count(*) FROM {table.table} WHERE {condition}") == 0, table.table
    documents = "SELECT kind, id FROM search_documents WHERE id = ANY ($1)"
    ids = [int(each) for each in (alice.id, *things["posts"][:2])]
    assert await owner.fetch(documents, ids) == []

    async def left() -> list[str]:
        return await objects_of(deployment, keys)

    await soon(left, [])
    assert await lasting_keys_with(deployment, token) == []
    assert await owner.fetchval("SELECT erased_at IS NOT NULL FROM account_deletions WHERE user_id = $1", int(alice.id))
    await owner.close()


async def test_copies_in_the_evidence_of_others_go_too(cluster: Cluster, person):
    token = f"q{secrets.token_hex(6)}z"
    alice, _ = await register(cluster)
    bob, carol, moderator = [await person(name) for name in ("bob", "carol", "moderator")]
    file = await add_file(cluster, alice, stored=True)
    mine = (await alice.call("post.create", text=token, media_ids=[file]))["id"]
    target, other = [(await bob.call("post.create", text=text))["id"] for text in ("spam", "more spam")]
    evidence = [{"target_type": "post", "target_id": each} for each in (mine, other)]
    case_id = await reported(cluster, carol, "post", target, evidence=evidence)
    owner = await cluster.owner()
    assert "reports" in await tables_with(owner, token)
    await alice.call("account.delete", password=PASSWORD)
    await owner.execute("UPDATE account_deletions SET erase_at = now() WHERE user_id = $1", int(alice.id))
    await erase_all_due(cluster)
    await cluster.settle()
    assert await tables_with(owner, token) == []
    assert await objects_of(cluster, [f"private/{file}/"]) == []
    await appoint(cluster, moderator)
    [report] = (await moderator.call("case.get", case_id=case_id))["reports"]
    assert [each["snapshot"]["text"] for each in report["evidence"]] == [None, "more spam"]
    await owner.close()


async def test_what_others_wrote_stays(cluster: Cluster, person):
    token = f"q{secrets.token_hex(6)}z"
    alice, _ = await register(cluster)
    bob = await person("bob", node="b")
    things = await live(alice, bob, token)
    await cluster.settle()
    await alice.call("account.delete", password=PASSWORD)
    owner = await cluster.owner()
    await owner.execute("UPDATE account_deletions SET erase_at = now() WHERE user_id = $1", int(alice.id))
    await erase_all_due(cluster)
    history = await bob.call("chat.history", chat_id=things["chats"][0])
    assert [item["text"] for item in history["items"]] == ["", "what Bob said"]
    group = await bob.call("chat.get", chat_id=things["chats"][1])
    assert (group["chat"]["title"], group["role"]) == ("the group", "owner")  # Bob is the heir
    digest = await bob.call("room.digest", room_id=things["rooms"][1])
    assert (digest["topic"], digest["host"]["id"], digest["summary"]) == ("the room of Bob", bob.id, [])
    await owner.close()


async def test_a_username_is_free_after_its_reservation(cluster: Cluster, person):
    alice, _ = await register(cluster)
    await alice.call("account.delete", password=PASSWORD)
    owner = await cluster.owner()
    await owner.execute("UPDATE account_deletions SET erase_at = now() WHERE user_id = $1", int(alice.id))
    await erase_all_due(cluster)
    guest = await cluster.guest()
    fields = {"username": alice.name, "email": f"{alice.name}@example.org", "password": PASSWORD}
    refused = await guest.refused("auth.register", **fields)
    assert (refused.code, refused.fields) == ("ALREADY_EXISTS", ["username"])
    await owner.execute(
        "UPDATE username_reservations SET until = now() WHERE key_hash = sha256(convert_to($1, 'UTF8'))",
        alice.name.lower(),
    )
    assert (await guest.call("auth.register", **fields))["user"]["id"] != alice.id
    await owner.close()


@pytest.mark.parametrize("steps", [1, 5, 30])
async def test_an_interrupted_erasure_goes_on_where_it_was(cluster: Cluster, person, monkeypatch, steps):
    alice, _ = await register(cluster)
    for number in range(7):
        await alice.call("post.create", text=f"post {number}")
    await alice.call("account.delete", password=PASSWORD)
    owner = await cluster.owner()
    await owner.execute("UPDATE account_deletions SET erase_at = now() WHERE user_id = $1", int(alice.id))
    monkeypatch.setattr(erasures, "BATCH", 2)
    stop, done = asyncio.Event(), 0
    erase_step = erasures.deletions.erase_step

    async def counted(*arguments):
        nonlocal done
        done += 1
        if done == steps:
            stop.set()
        return await erase_step(*arguments)

    monkeypatch.setattr(erasures.deletions, "erase_step", counted)
    assert not await erasures.erase_next(cluster.workers.tools, stop)
    assert not await erasures.erase_next(cluster.workers.tools, asyncio.Event())  # it is claimed still
    await owner.execute("UPDATE account_deletions SET claimed_until = NULL WHERE user_id = $1", int(alice.id))
    await erase_all_due(cluster)
    assert await owner.fetchval("SELECT count(*) FROM posts WHERE author_id = $1 AND text <> ''", int(alice.id)) == 0
    assert await owner.fetchval("SELECT status FROM users WHERE id = $1", int(alice.id)) == "deleted"
    assert done < 140  # not from the beginning each time
    await owner.close()
