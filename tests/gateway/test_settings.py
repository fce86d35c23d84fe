"""Settings: listed in .env.example, refused with a sentence that names them, never shown where they are secret."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.addresses import client_address
from gateway.settings import Settings, SettingsError

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


def test_env_example_lists_each_setting_with_its_default():
    lines = (ROOT / ".env.example").read_text().splitlines()
    listed = {line.lstrip("# ").partition("=")[0]: line.partition("=")[2] for line in lines if "=" in line}
    expected = {}
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = "" if default is None else str(default).lower() if isinstance(default, bool) else f"{default}"
        expected[f"DAIRA_{name.upper()}"] = shown
        assert f"# {field.description}" in lines, name
    assert listed == expected


def test_servers_of_ones_own_need_all_of_them():
    assert settings(**EXTERNAL).app_database == EXTERNAL["postgres_url"]
    for name in ("postgres_worker_url", "redis_url", "s3_endpoint", "token_keys"):
        with pytest.raises(ValidationError, match=f"DAIRA_{name.upper()}"):
            settings(**{**EXTERNAL, name: None})
    with pytest.raises(SettingsError, match="DAIRA_POSTGRES_OWNER_URL"):
        _ = settings(**EXTERNAL).owner_database


@pytest.mark.parametrize(
    "fields",
    [
        {"kafka_brokers": "localhost:9092"},
        {"token_keys": "k:short"},
        {"token_keys": "nokey"},
        {"postgres_url": "mysql://x"},
        {"limit_post": "often"},
        {"limit_calls": "0/second"},
        {"trusted_proxies": "10.0.0.0/8,10.0.0.0/33"},
        {"trusted_proxies": "the balancer"},
        {"port": 70_000},
        {"prefix": "has:colon"},
    ],
)
def test_what_is_wrong_is_refused(fields):
    with pytest.raises(ValidationError):
        settings(**fields)


def test_proxies_are_networks_of_either_kind():
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


def test_without_servers_the_command_says_what_to_do(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "serve"],
        env={"DAIRA_DATA_DIR": str(tmp_path / "nothing"), "PATH": ""},
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 1
    assert "daira up" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("DAIRA_PORT", "many"), ("DAIRA_TRUSTED_PROXIES", "10.0.0"), ("DAIRA_LIMIT_CALLS", "0/second")]
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
