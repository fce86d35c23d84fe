"""What a deployment must agree with: settings, commands, ports and worker groups, read from the code."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import typer.main

from gateway.app import worker_names
from gateway.cli import app
from gateway.observability import CONNECTIONS as CONNECTED
from gateway.settings import Settings
from tests.deploy.tools import DEPLOY

COMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
VARIABLES = {f"DAIRA_{name}".upper() for name in Settings.model_fields}
DEFAULTS = {name: field.default for name, field in Settings.model_fields.items()}
PORTS = {"serve": DEFAULTS["sidecar_port"], "work": DEFAULTS["worker_sidecar_port"]}
LAST_S = 15  # docs/operating.md: wait so long after the drain, before SIGKILL
HEALTH = "/health/ready"
[_MEGABYTES] = re.findall(r"^maxmemory (\d+)mb$", (DEPLOY / "redis" / "redis.conf").read_text(), re.MULTILINE)
REDIS_BYTES = int(_MEGABYTES) * 1024**2
CONNECTIONS = next(iter(CONNECTED.describe())).name


def check_command(arguments: list[str]) -> None:
    """Fail unless it is a command of `daira`, with groups that exist."""
    command, *groups = arguments
    assert command in COMMANDS
    if command == "work":
        assert groups, "name the groups"
        assert set(groups) <= set(worker_names())


def check_groups(commands: Iterable[list[str]]) -> None:
    """Fail unless these commands together run each worker group once."""
    groups = [group for command in commands if command[0] == "work" for group in command[1:]]
    assert sorted(groups) == sorted(worker_names())


def read_settings(environment: Mapping[str, str], secrets: Path) -> Settings:
    """Return the settings of a container; `secrets` holds what is mounted at DAIRA_SECRETS_DIR."""
    ours = {name: value for name, value in environment.items() if name.startswith("DAIRA_")}
    assert set(ours) <= VARIABLES
    assert ours.pop("DAIRA_SECRETS_DIR") == "/run/secrets"
    fields = {name.removeprefix("DAIRA_").lower(): value for name, value in ours.items() if value}
    return Settings(_env_file=None, secrets_dir=secrets, **fields)


def is_pinned(image: str) -> bool:
    """Whether the tag is an exact version."""
    return bool(re.search(r":(v?\d+\.\d+(\.\d+)?(-[\w.-]+)?|RELEASE\.[\dTZ-]+)$", image))
