"""A missing requirement of the installation is reported in one sentence."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Simulates another release of Python, another machine, or a missing module.
PRETENDING = """
import platform, runpy, sys
{pretence}
sys.argv = ["deploy/virtual_environment.py"]
missing = runpy.run_path("deploy/virtual_environment.py")["what_is_missing"]()
print(missing)
"""


def said(pretence: str) -> str:
    program = PRETENDING.format(pretence=pretence)
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("version", ["(3, 8, 18)", "(3, 10, 13)", "(3, 15, 0)", "(4, 0, 0)"])
def test_a_python_that_is_too_old_or_too_new(version):
    sentence = said(f"sys.version_info = {version}")
    assert re.fullmatch(r"DAIRA needs Python 3\.11 to 3\.14, and .* is 3\..*\n", sentence)


@pytest.mark.parametrize("version", ["(3, 11, 2)", "(3, 12, 0)", "(3, 13, 5)", "(3, 14, 0)"])
def test_each_supported_python_is_accepted(version):
    assert said(f"sys.version_info = {version}") == "None\n"


@pytest.mark.parametrize("module", ["ensurepip", "venv"])
def test_a_python_without_venv_or_ensurepip(module):
    sentence = said(f"sys.modules[{module!r}] = None")
    assert sentence.count("\n") == 1
    assert "`apt-get install python3-venv`" in sentence


def test_an_unsupported_machine():
    assert said("platform.machine = lambda: 'riscv64'").endswith("and this is Linux on riscv64.\n")
    assert "glibc" in said("platform.system = lambda: 'Linux'; platform.libc_ver = lambda: ('', '')")


def test_make_prints_the_sentence_and_stops(tmp_path):
    """Run make in a checkout without a virtual environment."""
    for name in ("Makefile", "pyproject.toml", "requirements.txt", "deploy"):
        (tmp_path / name).symlink_to(ROOT / name)
    old = tmp_path / "old-python"
    old.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c 'import sys; sys.exit(\"one sentence\")'\n")
    old.chmod(0o755)
    environment = {
        name: value for name, value in os.environ.items() if "MAKE" not in name
    }  # this test may run under `make`
    for python, sentence in ((old, "one sentence"), ("no-such-python", "Python is missing")):
        result = subprocess.run(
            ["make", "run", f"PYTHON={python}"], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert result.returncode != 0
        assert result.stdout == ""
        first, *rest = result.stderr.splitlines()
        assert sentence in first
        assert all(line.startswith("make: ***") for line in rest)
