"""The programs that these tests need beside Python's: Debian's packages, and what `make deploy-tools` builds."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DEPLOYED = Path(__file__).parent / "go" / "target" / "deployed"
HERE = Path(sys.executable).parent  # of .venv

ORIGINS = {
    "haproxy": "Debian's package haproxy",
    "promtool": "Debian's package prometheus",
    "amtool": "Debian's package prometheus-alertmanager",
    "hadolint": "the packages for tests, by `make check`",
    "pgbouncer": "`make deploy-tools`",
}


def program(name: str) -> str:
    """Return its path. Skips the test if it is missing; in CI, the test fails."""
    found = shutil.which(name, path=f"{HERE}:{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        _missing(f"{name} is missing: install {ORIGINS[name]}")
    return str(found)


def deployed(*arguments: str | Path, **environment: str) -> Any:
    """Return what the program in `go/` reads, as the real tools read it. Raises ValueError with its message."""
    if not DEPLOYED.exists():
        _missing("the reader of deployments is not built: `make deploy-tools`, which needs Go")
    answer = subprocess.run(
        [DEPLOYED, *arguments], env={"PATH": "", "HOME": "/nonexistent", **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode:
        raise ValueError(answer.stderr)
    return json.loads(answer.stdout)


def run(*arguments: str | Path, **environment: str) -> str:
    """Return all that the program prints. Fails the test if its exit code is not 0."""
    answer = subprocess.run(
        arguments, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
