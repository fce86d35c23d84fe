"""PostgreSQL and Redis are paused (SIGSTOP) under load: they keep their connections, and answer nothing."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from tests.chaos.deployment import Client, Deployment

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

WRITERS = 4
PAUSE_S = 8.0  # longer than any detection, shorter than the deadline of a call


@contextmanager
def paused(process_id: int) -> Iterator[None]:
    """Stop the process and its children; let them go on at the end."""
    os.kill(process_id, signal.SIGSTOP)  # first: it forks no more
    family = [process_id, *_children(process_id)]
    for each in family:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in reversed(family):
            os.kill(each, signal.SIGCONT)


def _children(process_id: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(after_name[1]) == process_id:
            found.append(int(stat.parent.name))
    return found


class Writer:
    """Publishes posts one after the other, and repeats each with its key until it is acknowledged."""

    def __init__(self, client: Client, name: str) -> None:
        self.client = client
        self.acknowledged: list[str] = []
        self.refusals: list[tuple[float, float, dict]] = []  # began, took, error
        self._name = name
        self._stops = False

    async def run(self) -> None:
        while not self._stops:
            text = f"{self._name} {len(self.acknowledged)}"
            began = time.monotonic()
            answer = await self.client.call("post.create", {"text": text, "idempotency_key": text}, timeout=60)
            if answer["ok"]:
                self.acknowledged.append(text)
            else:
                self.refusals.append((began, time.monotonic() - began, answer["error"]))
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        self._stops = True


async def test_a_paused_server_is_refused_at_once_and_no_write_is_lost(deployment: Deployment):
    tokens = await deployment.tokens([f"writer{number}" for number in range(WRITERS)])
    clients = [await deployment.client(token, number) for number, token in enumerate(tokens)]
    writers = [Writer(client, f"writer{number}") for number, client in enumerate(clients)]
    tasks = [asyncio.create_task(writer.run()) for writer in writers]
    await _all_go_on(writers)
    post_id = (await clients[0].call("post.create", {"text": "to read"}))["data"]["id"]

    for name in ("postgres", "redis"):
        before = [len(writer.refusals) for writer in writers]
        with paused(deployment.servers_running.process_id(name)):
            stopped_at = time.monotonic()
            await asyncio.sleep(PAUSE_S)
            reads = await asyncio.gather(
                *(client.call("post.get", {"post_id": post_id}, timeout=60) for client in clients)
            )
            pings = await asyncio.gather(*(client.call("system.ping", {}, timeout=60) for client in clients))
        went_on_at = time.monotonic()
        refusals = [
            refusal
            for writer, known in zip(writers, before, strict=True)
            for refusal in writer.refusals[known:]
            if refusal[0] < went_on_at
        ]
        assert {error["code"] for _, _, error in refusals} == {"UNAVAILABLE"}
        assert all(error["retry_after_ms"] > 0 for _, _, error in refusals)
        assert all(answer["ok"] for answer in pings)
        assert {answer["ok"] for answer in reads} == {name == "redis"}  # posts are read without Redis
        # Those that met the pause wait until it is noticed; the many that follow are refused at once.
        assert len(refusals) > 10 * WRITERS
        first = max(began + took - stopped_at for began, took, _ in refusals if began < stopped_at + 1)
        later = sorted(took for began, took, _ in refusals if began > stopped_at + first)
        await _all_go_on(writers)
        median, longest = (each * 1_000 for each in (later[len(later) // 2], later[-1]))
        print(f"\n{name}: noticed after {first:.1f} s; then {len(later)} refusals took {median:.1f} ms (median) and "
              f"{longest:.0f} ms (longest); all wrote again after {time.monotonic() - went_on_at:.1f} s")  # fmt: skip
        assert not any(client.lost.is_set() for client in clients)

    for writer in writers:
        writer.stop()
    await asyncio.gather(*tasks)
    owner = await asyncpg.connect(deployment.servers_running.servers.postgres_url("daira_owner"))
    stored = [row["text"] for row in await owner.fetch("SELECT text FROM posts WHERE text <> 'to read'")]
    await owner.close()
    assert sorted(stored) == sorted(text for writer in writers for text in writer.acknowledged)
    for client in clients:
        await client.disconnect()


async def _each(clients: list[Client], method: str, argument: dict) -> list[dict]:
    return await asyncio.gather(*(client.call(method, argument, timeout=60) for client in clients))


async def _all_go_on(writers: list[Writer]) -> None:
    """Wait until each has got two more acknowledgements: a call that began before does not count."""
    wanted = [len(writer.acknowledged) + 2 for writer in writers]
    async with asyncio.timeout(60):
        while any(len(writer.acknowledged) < amount for writer, amount in zip(writers, wanted, strict=True)):
            await asyncio.sleep(0.02)
