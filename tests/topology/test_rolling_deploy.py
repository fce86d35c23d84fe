"""A new version with a migration is rolled out under load, process by process, and rolled back."""

import asyncio
import shutil
import subprocess
from importlib.metadata import version

import aiohttp
import pytest

from tests.storage.releases import Release
from tests.topology import servers, verifier
from tests.topology.ledger import AWAY, LOST
from tests.topology.topology import NODES, ROOT, WORKERS

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

BETWEEN_S = 2.0  # calls of both versions; HAProxy finds meanwhile that a node is ready
NEWER = "a newer version"


@pytest.fixture
def newer(system, monkeypatch):
    """A copy of the checkout: two more columns, an index, a function, and another name."""
    topology, _ = system
    tree = topology.folder("newer")
    files = subprocess.run(["git", "ls-files", "-z", "*.py", "*.sql", "*.lua", "*.po", "gateway/page"], cwd=ROOT,
                           capture_output=True, text=True, check=True)  # fmt: skip
    for name in files.stdout.split("\0"):
        if name and not name.startswith(("tests/", "bench/")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    release = Release(tree / "storage", monkeypatch)
    number = release.add_revision(
        "ALTER TABLE users ADD COLUMN motto text NOT NULL DEFAULT ''; ALTER TABLE posts ADD COLUMN mood text;",
        later="CREATE INDEX CONCURRENTLY IF NOT EXISTS users_motto ON users (motto)",
    )
    (release.functions / "motto.sql").write_text(
        "CREATE OR REPLACE FUNCTION motto() RETURNS text LANGUAGE sql RETURN 'more';\n"
        "GRANT EXECUTE ON FUNCTION motto TO daira_app;\n"
    )
    sidecar = tree / "gateway/sidecar.py"
    sidecar.write_text(sidecar.read_text().replace('version("daira")', f'"{NEWER}"'))
    return tree, number


async def test_a_rolling_deploy_and_a_roll_back_are_not_noticed(system, newer):
    topology, load = system
    tree, number = newer
    loop = asyncio.get_running_loop()
    load.resume()
    began = loop.time()
    await asyncio.sleep(BETWEEN_S)
    for target in (tree, ROOT):
        await topology.daira("migrate", tree=target, DAIRA_POSTGRES_OWNER_URL=topology.owner_url)
        for worker, node in zip(WORKERS, NODES, strict=True):
            await replace(topology, (worker, node), target)
            await asyncio.sleep(BETWEEN_S)
            load.check()
        assert await running_versions(topology) == {NEWER if target == tree else version("daira")}
        assert await revision(topology) == number
    ended = loop.time()
    await load.pause()
    outcomes = load.ledger.between(began, ended)
    refused = {(each.code, each.kind) for each in outcomes if each.code not in ("OK", LOST)}
    assert refused == set(), topology.exceptions()
    lost = [each for each in outcomes if each.code == LOST]
    moves = [at for at, _ in load.ledger.reconnects if at >= began]
    print(f"\n{len(outcomes)} calls, {len(moves)} reconnects, {len(lost)} calls repeated by clients after a reconnect")
    assert AWAY not in {each.code for each in outcomes}
    assert await verifier.soon_true(lambda: verifier.ghosts(load)) == []
    assert await verifier.lost_writes(topology, load.ledger.writes) == []
    assert load.ledger.twice() == 0


async def replace(topology, names, tree) -> None:
    await asyncio.gather(*map(topology.end, names))
    for name in names:
        topology.trees[name] = tree
        topology.run(name)
    for name in names:
        await topology.until_ready(name)


async def running_versions(topology) -> set[str]:
    """Return the versions that the processes report."""
    async with aiohttp.ClientSession() as http:
        found = set()
        for name in (*WORKERS, *NODES):
            async with http.get(f"http://{topology.host(name).address}:{servers.SIDECAR_PORT}/version") as answer:
                found.add((await answer.json())["version"])
        return found


async def revision(topology) -> str:
    owner = await topology.owner()
    try:
        return await owner.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await owner.close()
