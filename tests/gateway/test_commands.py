"""The command line on a real installation: `daira up` in its own process, used as by a newcomer."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from gateway import client, doctor
from gateway.embedded import Servers
from storage.bucket import Bucket
from storage.object_files import ObjectFiles
from storage.schema import newest_version
from storage.signed_urls import UrlSigner
from tests.patience import WAIT_S
from tests.ports import free_ports

# Every step starts a process, and several start PostgreSQL.
pytestmark = pytest.mark.timeout(300)

DAIRA = [sys.executable, "-m", "gateway.cli"]


class Installation:
    """A data folder with its own ports, and the processes that the test starts in it."""

    def __init__(self, data_dir: Path) -> None:
        self.port, self.sidecar_port, self.worker_sidecar_port = free_ports(3)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("DAIRA_")},
            "DAIRA_DATA_DIR": str(data_dir),
            "DAIRA_PORT": str(self.port),
            "DAIRA_SIDECAR_PORT": str(self.sidecar_port),
            "DAIRA_WORKER_SIDECAR_PORT": str(self.worker_sidecar_port),
            "COLUMNS": "200",
        }
        self.data_dir = data_dir

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*DAIRA, *arguments], env={**self.environment, **environment},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*DAIRA, *arguments], env={**self.environment, **environment},
            capture_output=True, text=True, check=False, timeout=2 * WAIT_S,
        )  # fmt: skip

    def call(self, method: str, argument: dict, who: str, *more: str) -> dict:
        result = self.run("call", method, json.dumps(argument), "--as", who, *more)
        assert result.returncode == 0, result.stdout + result.stderr
        return json.loads(result.stdout)["data"]

    def servers(self) -> dict:
        return json.loads((self.data_dir / "servers.json").read_text())


def wait_for_line(process: subprocess.Popen[str], words: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if words in line:
            return lines
    raise AssertionError(f"{words!r} was not printed: {lines} {process.stderr and process.stderr.read()}")


async def answers(url: str, status: int = 200) -> dict:
    async with aiohttp.ClientSession() as session, asyncio.timeout(2 * WAIT_S):
        while True:
            try:
                async with session.get(url) as response:
                    if response.status == status:
                        return await response.json()
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Iterator[Installation]:
    """Run `daira up --demo` for the whole module, in a folder whose path contains a space."""
    place = Installation(tmp_path_factory.mktemp("an installation") / ".daira")
    process = place.start("up", "--demo")
    wait_for_line(process, "call feed.get")
    yield place
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0
    assert not listens(place.servers()["postgres_port"])
    assert "was deleted" in place.run("erase").stdout
    assert not place.data_dir.exists()
    assert place.run("erase").returncode == 1


def test_help_names_every_command(installation):
    text = installation.run("--help").stdout
    for command in (
        "up",
        "serve",
        "work",
        "migrate",
        "seed",
        "suspend",
        "unsuspend",
        "moderation",
        "keys",
        "role",
        "backup",
        "restore",
        "token",
        "call",
        "watch",
        "schema",
        "doctor",
        "dead-letters",
        "check",
        "notify",
        "top",
    ):
        assert f" {command} " in text


def test_calls_and_watched_pushes(installation):
    star = installation.call("user.me", {}, "mona_elsayed")
    assert star["follower_count"] > 100
    assert installation.call("chat.list", {}, "mona_elsayed")["items"]
    watching = installation.start("watch", "--as", "ahmed_elsayed")
    assert json.loads(wait_for_line(watching, "session.ready")[-1])["event"] == "session.ready"
    post = installation.call("post.create", {"text": "من سطر الأوامر"}, "mona_elsayed")
    pushed = json.loads(wait_for_line(watching, "feed.added")[-1])
    assert pushed["push"]["post_id"] == post["id"]
    watching.send_signal(signal.SIGTERM)
    assert watching.wait(WAIT_S) == 0
    feed = installation.call("feed.get", {"mode": "latest"}, "ahmed_elsayed")
    assert feed["items"][0]["post"]["id"] == post["id"]


async def test_the_developer_page_comes_with_up(installation):
    url = f"http://127.0.0.1:{installation.port}"
    people = await answers(f"{url}/dev/users")
    assert {"username": "mona_elsayed", "display_name": "منى السيد"} in people
    async with aiohttp.ClientSession() as session:
        signing_in = await session.post(f"{url}/dev/sign-in", json={"username": "mona_elsayed"})
        assert "token" in await signing_in.json()


def test_top_shows_what_a_process_does_over_its_sidecar(installation):
    looking = installation.start("top", "--json", "--every", "2")
    while looking.poll() is None:
        installation.call("feed.get", {}, "ahmed_elsayed")
    printed, errors = looking.communicate()
    assert looking.returncode == 0, errors
    found = json.loads(printed)
    [process] = found["processes"]
    assert process["url"] == f"http://127.0.0.1:{installation.sidecar_port}"
    assert (process["kind"], process["down"]) == ("both", [])
    assert found["total"]["calls"] > 0
    assert "feed.get" in [method["name"] for method in found["slowest"]]
    assert found["backlog"]["dead_letters"] == 0
    table = installation.run("top", "--once", "--every", "0.5", "--sidecar", process["url"]).stdout
    for words in ("calls/s", "slowest methods", f"127.0.0.1:{installation.sidecar_port}", "outbox"):
        assert words in table


def test_top_without_any_sidecar_says_what_to_do(installation):
    result = installation.run("top", "--once", "--sidecar", "http://127.0.0.1:1")
    assert result.returncode == 1
    assert result.stderr == "daira: no sidecar answers (http://127.0.0.1:1): name one with --sidecar\n"


def test_top_goes_on_until_it_is_interrupted(installation):
    terminal, theirs = pty.openpty()
    looking = subprocess.Popen(
        [*DAIRA, "top", "--every", "0.5"], env={**installation.environment, "TERM": "xterm"},
        stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while shown.count(b"slowest methods") < 2:
        shown += os.read(terminal, 65_536)
    looking.send_signal(signal.SIGINT)
    with contextlib.suppress(OSError):  # the terminal ends with the process
        while os.read(terminal, 65_536):
            pass
    assert looking.wait(WAIT_S) == 0
    os.close(terminal)


def test_a_refused_call_prints_its_error_and_exits_with_1(installation):
    result = installation.run("call", "post.get", '{"post_id": "1"}', "--as", "mona_elsayed")
    assert result.returncode == 1
    assert json.loads(result.stdout)["error"]["code"] == "NOT_FOUND"
    assert installation.run("call", "user.me", "not json", "--as", "mona_elsayed").returncode == 1
    result = installation.run("call", "user.me", "--as", "nobody_at_all")
    assert (result.returncode, "--create" in result.stderr) == (1, True)


def test_a_call_without_a_node_says_in_one_line_what_to_do(installation):
    result = installation.run("call", "system.ping", "--url", "http://127.0.0.1:1")
    assert result.returncode == 1
    assert result.stderr == (
        "daira: no node answers at http://127.0.0.1:1: start one with `daira up`, or name another with --url\n"
    )


async def test_a_refused_token_is_told_with_its_code(installation):
    with pytest.raises(client.CannotConnect, match=f"127.0.0.1:{installation.port} refused .*UNAUTHENTICATED"):
        await client.call(f"http://127.0.0.1:{installation.port}", "no token", "user.me", {})


def test_tokens_are_printed_one_per_line(installation):
    result = installation.run("token", "load", "--create", "--count", "1000")
    tokens = result.stdout.split()
    assert len(set(tokens)) == 1_000
    assert installation.call("user.me", {}, "load_1000")["username"] == "load_1000"
    assert len(installation.run("token", "load_7").stdout.split()) == 1


def test_a_slow_reader_of_standard_output_gets_everything(installation):
    process = installation.start("token", "load", "--count", "1000", PYTHONUNBUFFERED="1")
    installation.call("system.ping", {}, "load_1")  # long enough for the pipe to fill
    printed, _ = process.communicate()
    assert len(printed.split()) == 1_000


def test_a_suspended_user_is_refused_until_restored(installation):
    assert installation.run("token", "troll", "--create").returncode == 0
    watching = installation.start("watch", "--as", "troll")
    wait_for_line(watching, "session.ready")
    assert installation.run("suspend", "troll").returncode == 0
    revoked = json.loads(wait_for_line(watching, "session.revoked")[-1])
    assert revoked["push"]["reason"] == "suspended"
    watching.wait(WAIT_S)
    again = installation.run("suspend", "troll")
    assert (again.returncode, "already" in again.stderr) == (1, True)
    assert installation.run("unsuspend", "troll").returncode == 0
    assert installation.call("user.me", {}, "troll")["username"] == "troll"


def test_a_moderator_who_loses_the_role_signs_in_again(installation):
    assert installation.run("token", "judge", "--create").returncode == 0
    assert installation.run("role", "judge", "moderator").returncode == 0
    again = installation.run("role", "judge", "moderator")
    assert (again.returncode, "already" in again.stderr) == (1, True)
    assert installation.run("role", "judge", "emperor").returncode == 2
    watching = installation.start("watch", "--as", "judge")
    wait_for_line(watching, "session.ready")
    assert installation.run("role", "judge", "user").returncode == 0
    assert json.loads(wait_for_line(watching, "session.revoked")[-1])["push"]["reason"] == "revoked"
    watching.wait(WAIT_S)


def test_a_message_to_a_user_is_sent_once(installation):
    assert installation.run("token", "reader", "--create").returncode == 0
    watching = installation.start("watch", "--as", "reader")
    wait_for_line(watching, "session.ready")
    sent = installation.run("notify", "صيانة الليلة", "--to", "reader")
    assert (sent.returncode, sent.stdout) == (0, "users to be notified by the workers: 1\n")
    pushed = json.loads(wait_for_line(watching, "notification.created")[-1])["push"]
    assert "صيانة الليلة" in pushed["notification"]["text"]
    watching.send_signal(signal.SIGTERM)
    watching.wait(WAIT_S)
    again = installation.run("notify", "صيانة الليلة", "--to", "reader")
    assert (again.returncode, "--again" in again.stderr) == (1, True)
    assert installation.run("notify", "صيانة الليلة", "--to", "reader", "--again").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("hello",), "--all"),
        (("hello", "--all", "--to", "reader"), "--all"),
        (("hello", "--to", "nobody_of_that_name"), "no active user"),
        (("x" * 301, "--all"), "1 to 300"),
        (("two\nlines", "--all"), "line breaks"),
        ((" ", "--all"), "1 to 300"),
    ],
)
def test_a_message_that_is_refused(installation, arguments, reason):
    refused = installation.run("notify", *arguments)
    assert (refused.returncode, reason in refused.stderr) == (1, True), refused.stderr


def test_seeding_more_users(installation):
    result = installation.run("seed", "--users", "300")
    assert "added 300 users" in result.stdout
    assert installation.call("user.get", {"username": "mona_elsayed"}, "ahmed_elsayed")["follower_count"] > 100


def test_the_doctor_reports_health_and_faults(installation):
    result = installation.run("doctor")
    assert result.returncode == 0, result.stdout
    assert "Valkey 9." in result.stdout
    result = installation.run("doctor", DAIRA_PORT="1")
    assert result.returncode == 1
    assert "daira serve" in result.stdout
    owner = f"postgresql://postgres:{installation.servers()['password']}@127.0.0.1:{installation.servers()['postgres_port']}/daira"
    result = installation.run(
        "doctor", DAIRA_POSTGRES_URL=owner, DAIRA_POSTGRES_WORKER_URL=owner, DAIRA_REDIS_URL="redis://127.0.0.1:1/0",
        DAIRA_S3_ENDPOINT="http://127.0.0.1:1", DAIRA_TOKEN_KEYS="k:" + "s" * 32,
        DAIRA_REALTIME_REDIS_URL="redis://127.0.0.1:2/0", DAIRA_POSTGRES_REPLICA_URL=owner, DAIRA_TRACE_ENDPOINT="http://127.0.0.1:1/v1/traces",
    )  # fmt: skip
    assert result.returncode == 1
    assert "bypasses row policies" in result.stdout
    assert "it accepts writes" in result.stdout
    assert "a collector" in result.stdout
    assert "DAIRA_REDIS_URL" in result.stdout
    assert "DAIRA_REALTIME_REDIS_URL" in result.stdout


def test_the_doctor_looks_at_redis_for_pushes(installation):
    servers = installation.servers()
    url = f"redis://:{servers['password']}@127.0.0.1:{servers['redis_port']}/1"
    result = installation.run("doctor", DAIRA_REALTIME_REDIS_URL=url)
    assert (result.returncode, "has no maxmemory" in result.stdout) == (1, True), result.stdout


def test_the_doctor_refuses_an_old_redis():
    assert doctor.redis_name({"redis_version": "7.2.0"}) == "Redis 7.2.0"
    assert doctor.redis_name({"redis_version": "10.0.1"}) == "Redis 10.0.1"
    with pytest.raises(doctor.Ill, match=r"is Redis 7\.0\.15"):
        doctor.redis_name({"redis_version": "7.0.15"})


def test_the_doctor_wants_a_redis_that_refuses_writes_when_it_is_full():
    kept = {"maxmemory_policy": "noeviction"}
    doctor.check_memory({**kept, "maxmemory": "629145600"}, is_embedded=False)
    doctor.check_memory({}, is_embedded=False)  # a managed server may hide it
    doctor.check_memory({**kept, "maxmemory": "0"}, is_embedded=True)
    with pytest.raises(doctor.Ill, match="no maxmemory"):
        doctor.check_memory({**kept, "maxmemory": "0"}, is_embedded=False)
    with pytest.raises(doctor.Ill, match="evicts keys"):
        doctor.check_memory({"maxmemory_policy": "allkeys-lru", "maxmemory": "629145600"}, is_embedded=True)


@pytest.mark.voice
async def test_voice_comes_with_up(installation):
    voice = f"ws://127.0.0.1:{installation.servers()['livekit_port']}"
    assert voice in installation.run("doctor").stdout
    health = await answers(f"http://127.0.0.1:{installation.sidecar_port}/health/ready")
    assert health["dependencies"]["livekit"]["ok"]
    for wrong in ({"DAIRA_LIVEKIT_URL": "ws://127.0.0.1:1"}, {"DAIRA_LIVEKIT_URL": voice}):
        keys = {"DAIRA_LIVEKIT_KEY": "daira", "DAIRA_LIVEKIT_SECRET": "another" * 5}
        result = installation.run("doctor", **wrong, **keys)
        assert result.returncode == 1
        assert "DAIRA_LIVEKIT_KEY" in result.stdout


def test_dead_letters_and_schema_and_migrate(installation, tmp_path):
    assert "there are none" in installation.run("dead-letters", "list").stdout
    assert "0 replayed" in installation.run("dead-letters", "replay").stdout
    assert "daira.d.ts" in installation.run("schema", str(tmp_path)).stdout
    assert (tmp_path / "asyncapi.json").exists()
    assert newest_version() in installation.run("migrate").stdout
    assert "known are" in installation.run("work", "no-such-group").stderr
    assert "no topic has been read" in installation.run("log", "forget", "no-such-group").stderr
    assert "of this release" in installation.run("log", "forget", "search").stderr
    assert installation.run("version").stdout.strip()


async def test_counts_are_checked_and_repaired_while_all_runs(installation):
    post = installation.call("post.create", {"text": "x"}, "mona_elsayed")["id"]
    clean = installation.run("check", "counts")
    assert (clean.returncode, clean.stdout) == (0, "0 counts differ\n"), clean.stderr
    owner = await asyncpg.connect(Servers(**installation.servers()).postgres_url("daira_owner"))
    await owner.execute("UPDATE posts SET save_count = 7, reactions = '{\"like\": 2}' WHERE id = $1", int(post))
    await owner.close()
    found = installation.run("check", "counts")
    assert found.returncode == 1
    assert found.stdout.splitlines() == [
        f"post {post}: like 2, but its rows make 0",
        f"post {post}: saves 7, but its rows make 0",
        "2 counts differ",
    ]
    assert installation.run("check", "counts", "--repair").returncode == 0
    assert installation.run("check", "counts").returncode == 0
    counts = installation.call("post.get", {"post_id": post}, "mona_elsayed")["counts"]
    assert (counts["saves"], counts["reactions"]) == (0, {})


def test_files_and_objects_are_compared_while_all_runs(installation):
    clean = installation.run("check", "media")
    assert (clean.returncode, clean.stdout) == (0, "0 differences\n"), clean.stderr


@pytest.mark.chaos  # it takes as long as several tests
async def test_a_backup_is_restored_into_another_installation(installation, tmp_path):
    servers = Servers(**installation.servers())
    keys = servers.s3_access_key, servers.s3_secret_key
    objects = ObjectFiles(UrlSigner(Bucket(servers.s3_endpoint, *keys, "daira", "us-east-1")))
    (tmp_path / "photo").write_bytes(b"a photo")
    await objects.upload(tmp_path / "photo", "private/1/a photo/ü.webp", "image/webp")
    await objects.close()
    post = installation.call("post.create", {"text": "before the backup"}, "mona_elsayed")["id"]
    folder = str(tmp_path / "backup")
    made = installation.run("backup", folder)
    assert (made.returncode, "objects copied" in made.stdout) == (0, True), made.stderr
    checked = installation.run("check", "backup", folder)
    assert (checked.returncode, checked.stdout[:9]) == (0, "faults: 0"), checked.stderr
    refused = installation.run("restore", folder)
    assert (refused.returncode, "in use by another `daira up`" in refused.stderr) == (1, True), refused.stderr

    other = Installation(tmp_path / "other")
    restored = other.run("restore", folder)
    assert (restored.returncode, "; 0 differences" in restored.stdout) == (0, True), restored.stdout + restored.stderr
    running = other.start("up")
    try:
        wait_for_line(running, "Create a user")
        assert other.call("post.get", {"post_id": post}, "ahmed_elsayed")["text"] == "before the backup"
        assert other.call("post.create", {"text": "after it"}, "mona_elsayed")["text"] == "after it"
        servers = Servers(**other.servers())
        keys = servers.s3_access_key, servers.s3_secret_key
        objects = ObjectFiles(UrlSigner(Bucket(servers.s3_endpoint, *keys, "daira", "us-east-1")))
        found = await objects.download("private/1/a photo/ü.webp", tmp_path / "restored")
        await objects.close()
        assert (found.content_type, (tmp_path / "restored").read_bytes()) == ("image/webp", b"a photo")
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(WAIT_S) == 0
        running.communicate()
    (tmp_path / "backup" / "objects.jsonl").unlink()
    broken = installation.run("check", "backup", folder)
    assert (broken.returncode, "objects.jsonl is missing" in broken.stdout) == (1, True)
    other.run("erase")


def test_a_second_up_on_the_same_data_names_the_first(installation):
    other = free_ports(2)
    result = installation.run("up", DAIRA_PORT=str(other[0]), DAIRA_SIDECAR_PORT=str(other[1]))
    assert result.returncode == 1
    assert "in use" in result.stderr
    assert "in use" in installation.run("erase").stderr


def test_a_port_in_use_is_named(installation):
    result = installation.run("serve")
    assert result.returncode == 1
    assert "DAIRA_PORT" in result.stderr


async def test_serve_with_processes_shares_one_port_and_adds_up_metrics(installation):
    port, sidecar_port = free_ports(2)
    ports = {"DAIRA_PORT": str(port), "DAIRA_SIDECAR_PORT": str(sidecar_port)}
    serving = installation.start("serve", "--processes", "2", **ports)
    try:
        await answers(f"http://127.0.0.1:{sidecar_port}/health/ready")
        async with asyncio.timeout(2 * WAIT_S):
            while installation.run("call", "system.ping", "--url", f"http://127.0.0.1:{port}").returncode:
                await asyncio.sleep(0.1)
        url = f"http://127.0.0.1:{port}"
        for _ in range(3):
            await asyncio.to_thread(installation.call, "system.ping", {}, "mona_elsayed", "--url", url)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{sidecar_port}/metrics") as response:
                metrics = await response.text()
            async with session.get(f"{url}/socket.io/?EIO=4&transport=polling") as response:
                assert response.status == 400
                assert "transport" in (await response.text()).lower()
            async with session.get(f"{url}/") as response:
                assert response.status == 404  # the developer page does not come with serve
        counted = [
            line for line in metrics.splitlines() if line.startswith('daira_call_seconds_count{method="system.ping"}')
        ]
        assert float(counted[0].split()[-1]) >= 4
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(WAIT_S) == 0
        serving.communicate()
    assert not listens(port)


async def test_a_worker_process_reports_its_health_and_stops_in_time(installation):
    working = installation.start("work", "fanout", "graph")
    assert (await answers(f"http://127.0.0.1:{installation.worker_sidecar_port}/health/ready"))["status"] == "ready"
    working.send_signal(signal.SIGTERM)
    assert working.wait(WAIT_S) == 0
    working.communicate()


async def test_kill_9_takes_the_servers_along_and_the_data_stays(tmp_path):
    place = Installation(tmp_path / "killed")
    first = place.start("up", "--demo")
    wait_for_line(first, "feed.get")
    post = place.call("post.create", {"text": "before the kill"}, "mona_elsayed")
    ports = [place.servers()[name] for name in ("postgres_port", "redis_port", "s3_port", "livekit_port")]
    first.kill()
    first.wait()
    async with asyncio.timeout(WAIT_S):
        while any(listens(port) for port in ports):
            await asyncio.sleep(0.05)
    second = place.start("up", "--demo")
    wait_for_line(second, "feed.get")
    assert place.call("post.get", {"post_id": post["id"]}, "ahmed_elsayed")["text"] == "before the kill"
    second.send_signal(signal.SIGINT)
    assert second.wait(WAIT_S) == 0
    for process in (first, second):
        process.communicate()
    place.run("erase")
