"""Settings: .env.example lists them, a wrong one is refused in a sentence that names it, secrets are never shown."""

import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway import rates
from gateway.addresses import client_address
from gateway.settings import Settings, SettingsError
from protocol.limits import Limit
from protocol.rpc import MethodTable, NoArguments, Nothing

ROOT = Path(__file__).parents[2]
EXTERNAL = {
    "postgres_url": "postgresql://app:pw-one@db/d",
    "postgres_worker_url": "postgresql://worker:pw-two@db/d",
    "redis_url": "redis://:pw-three@r/0",
    "s3_endpoint": "http://s3",
    "s3_secret_key": "pw-four",
    "token_keys": "k:" + "s" * 32,
}


def settings(**fields) -> Settings:
    return Settings(_env_file=None, **fields)


def shown(default: object) -> str:
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else f"{default}"


def test_env_example_lists_each_setting_with_its_default():
    lines = (ROOT / ".env.example").read_text().splitlines()
    listed = {f"{above}\n{line}" for above, line in pairwise(lines) if "=" in line}
    fields = {name: field for name, field in Settings.model_fields.items() if name != "limit"}
    expected = {
        f"# {field.description}\n#DAIRA_{name.upper()}={shown(field.default)}" for name, field in fields.items()
    }
    expected |= {f"# {limit.counts}\n#{limit.variable}={limit.rate}" for limit, _, _ in rates.in_force(settings())}
    assert not expected - listed, "\n\n".join(["add to .env.example:", *(expected - listed)])
    assert not listed - expected, "\n\n".join(["remove from .env.example:", *(listed - expected)])


def test_own_servers_need_all_their_settings():
    assert settings(**EXTERNAL).app_database == EXTERNAL["postgres_url"]
    for name in ("postgres_worker_url", "redis_url", "s3_endpoint", "token_keys"):
        with pytest.raises(ValidationError, match=f"DAIRA_{name.upper()}"):
            settings(**{**EXTERNAL, name: None})
    with pytest.raises(SettingsError, match="DAIRA_POSTGRES_OWNER_URL"):
        _ = settings(**EXTERNAL).owner_database


@pytest.mark.parametrize(
    "fields",
    [
        {"kafka_brokers": "localhost"},
        {"kafka_brokers": "kafka:9092", "kafka_user": "daira"},
        {"token_keys": "k:short"},
        {"token_keys": "nokey"},
        {"postgres_url": "mysql://x"},
        {"limit": {"post": "often"}},
        {"limit_calls": "0/second"},
        {"trusted_proxies": "10.0.0.0/8,10.0.0.0/33"},
        {"trusted_proxies": "the balancer"},
        {"port": 70_000},
        {"prefix": "has:colon"},
    ],
)
def test_wrong_values_are_refused(fields):
    with pytest.raises(ValidationError):
        settings(**fields)


def test_trusted_proxies_are_ipv4_and_ipv6_networks():
    proxies = settings(trusted_proxies=" 10.0.0.1/8, 2001:db8::/32 ,::ffff:192.0.2.0/120,").proxies
    assert list(map(str, proxies)) == ["10.0.0.0/8", "2001:db8::/32", "192.0.2.0/24"]
    assert client_address("::ffff:10.0.0.1", ["198.51.100.2"], proxies) == "198.51.100.2"
    assert client_address("::ffff:192.0.2.7", ["198.51.100.2, ::ffff:10.0.0.2"], proxies) == "198.51.100.2"
    assert client_address("::ffff:198.51.100.1", ["1.2.3.4"], proxies) == "198.51.100.1"
    assert client_address("2001:db8::1", ["2001:db9::1"], proxies) == "2001:db9::1"
    assert client_address("::ffff:10.0.0.1", ["garbage"], proxies) == "10.0.0.1"
    assert client_address("", ["1.2.3.4"], proxies) == ""


def test_secrets_are_not_shown():
    shown = repr(settings(**EXTERNAL)) + str(settings(**EXTERNAL).model_dump())
    for secret in ("pw-one", "pw-two", "pw-three", "pw-four", "s" * 32):
        assert secret not in shown


def test_a_command_without_servers_prints_a_remedy(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "serve"],
        env={"DAIRA_DATA_DIR": str(tmp_path / "nothing"), "PATH": ""},
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 1
    assert "daira up" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DAIRA_PORT", "many"),
        ("DAIRA_TRUSTED_PROXIES", "10.0.0"),
        ("DAIRA_LIMIT_CALLS", "0/second"),
        ("DAIRA_LIMIT_ROOM_MESSAGE", "often"),
    ],
)
def test_a_wrong_setting_is_named_on_the_command_line(tmp_path, name, value):
    result = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "serve"],
        env={name: value, "PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 2
    assert name in result.stderr
    assert "Traceback" not in result.stderr


def test_a_redis_cluster_for_all_data_needs_kafka():
    cluster = "redis+cluster://a,b"
    with pytest.raises(ValidationError, match="only with DAIRA_KAFKA_BROKERS"):
        Settings(_env_file=None, redis_url=cluster)
    assert Settings(_env_file=None, redis_url=cluster, kafka_brokers="k:9092").has_redis_cluster
    assert not Settings(_env_file=None, realtime_redis_url=cluster).has_redis_cluster


def test_limits_are_listed_with_their_methods_and_what_is_in_force(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "DAIRA_LIMIT_ROOM_MESSAGE=7/minute\nDAIRA_LIMIT_POST=1/hour\nDAIRA_LIMIT_CALLS=9/second\n"
    )
    monkeypatch.setenv("DAIRA_LIMIT_POST", "2/hour")
    listed = {each.limit.name: each for each in rates.in_force(Settings())}
    assert listed["post"] == (Limit("post", "10/hour", "post.create by user"), ["post.create"], "2/hour")
    assert (listed["room_message"].methods, listed["room_message"].rate) == (["room.send"], "7/minute")
    assert listed["mention"].methods == ["comment.create", "comment.edit", "post.create", "post.edit", "share.create"]
    assert {"circle.create", "user.update"} <= set(listed["write"].methods)
    assert listed["calls"].rate == "9/second"
    assert all(
        each.rate == each.limit.rate for name, each in listed.items() if name not in ("post", "room_message", "calls")
    )


def test_a_limit_that_nothing_counts_is_refused():
    with pytest.raises(SettingsError, match=r"DAIRA_LIMIT_POSTS"):
        rates.rates(settings(limit={"posts": "1/hour"}))


def test_a_method_declares_a_limit_that_can_be_read_and_is_the_only_one_of_its_name():
    def change(call, request: NoArguments) -> Nothing: ...

    table = MethodTable()
    table.rpc("one.change", limit=Limit("some", "1/hour", "calls by user"))(change)
    with pytest.raises(ValueError, match="limit some is declared twice"):
        table.rpc("other.change", counts=(Limit("some", "2/hour", "calls by user"),))(change)
    with pytest.raises(ValueError, match="often"):
        table.rpc("third.change", limit=Limit("often", "often", "calls by user"))(change)


def test_the_command_line_lists_limits_and_refuses_unknown_ones(tmp_path):
    def run(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gateway.cli", command],
            env={"PATH": "", "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip

    listed = run("limits", DAIRA_LIMIT_FOLLOW="3/minute")
    [follow] = [line.split() for line in listed.stdout.splitlines() if "DAIRA_LIMIT_FOLLOW" in line]
    assert follow == ["graph.follow", "graph.follow", "by", "user", "DAIRA_LIMIT_FOLLOW", "400/24", "hour", "3/minute"]
    refused = run("limits", DAIRA_LIMIT_FOLOW="3/minute")
    assert refused.returncode == 1
    assert "DAIRA_LIMIT_FOLOW" in refused.stderr


def test_settings_may_be_files(tmp_path, monkeypatch):
    (tmp_path / "daira_redis_url").write_text("redis://:from-a-file@r/0\n")
    (tmp_path / "DAIRA_CALL_DEADLINE").write_text("3\n")
    monkeypatch.setenv("DAIRA_SECRETS_DIR", str(tmp_path))
    assert settings().redis == "redis://:from-a-file@r/0"
    assert settings().call_deadline == 3.0
    monkeypatch.setenv("DAIRA_CALL_DEADLINE", "4")
    assert settings().call_deadline == 4.0
    (tmp_path / "daira_redis_url").write_text("mysql://r")
    with pytest.raises(ValidationError, match="redis"):
        settings()


def test_an_empty_variable_is_none(monkeypatch):
    """Compose passes on variables that are not set as empty ones."""
    for name, default in (("KAFKA_BROKERS", None), ("CALL_DEADLINE", 10.0), ("ALLOWED_ORIGINS", "")):
        monkeypatch.setenv(f"DAIRA_{name}", "")
        assert getattr(settings(), name.lower()) == default


@pytest.mark.parametrize(("folder", "name"), [(".", "redis_url"), ("absent", "DAIRA_SECRETS_DIR")])
def test_a_file_that_cannot_be_read_is_named_on_the_command_line(tmp_path, folder, name):
    (tmp_path / "daira_redis_url").write_bytes(b"\xff")
    result = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "serve"],
        env={"DAIRA_SECRETS_DIR": str(tmp_path / folder), "PATH": "", "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 2
    assert name in result.stderr
    assert "Traceback" not in result.stderr


def test_moderators_need_no_second_factor_only_where_this_machine_alone_reaches_the_node():
    assert settings(staff_proof=0).staff_proof_age is None
    assert settings(developer_page=True).staff_proof_age is None
    assert settings().staff_proof_age == timedelta(hours=12)
    for reachable in ({"host": "0.0.0.0"}, {"trusted_proxies": "10.0.0.0/8"}):
        with pytest.raises(ValidationError, match="DAIRA_STAFF_PROOF"):
            settings(staff_proof=0, **reachable)


def test_sealing_keys_are_apart_from_token_keys():
    assert settings(**EXTERNAL).sealing == {}
    assert settings(**EXTERNAL, sealing_keys=f"b:{'y' * 32},a:{'x' * 32}").sealing == {"b": "y" * 32, "a": "x" * 32}
    with pytest.raises(ValidationError, match="DAIRA_SEALING_KEYS"):
        settings(sealing_keys="a:short")
