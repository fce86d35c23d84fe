"""Check that the lock files pin everything that an installation needs, on every machine that DAIRA supports.

Installing never resolves (`pip install --no-deps`), so a requirement that is not pinned would be missing at run time.
`make check` looks for such requirements without asking a package index. It reads them from the packages that are
installed on this machine, so it cannot see the requirements of packages that are installed only on other machines.
`make lock` asks the index whether each pin has a wheel for each machine (`wheels`): nothing is built from source.
"""

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = {"requirements.txt": {"build"}, "requirements-dev.txt": {"build", "dev"}}
PYTHONS = ("3.11.0", "3.11.9", "3.12.9", "3.13.9", "3.14.0")
MACHINES = {  # by uv's name for them
    "x86_64-manylinux_2_28": ("linux", "Linux", "x86_64"),
    "aarch64-manylinux_2_28": ("linux", "Linux", "aarch64"),
    "aarch64-apple-darwin": ("darwin", "Darwin", "arm64"),
}

# Wheels of FFmpeg need it; uv assumes an older one.
OLDEST_MACOS = "14.0"

Environment = dict[str, str]
Pins = dict[str, list[Requirement]]


def environments() -> Iterator[Environment]:
    """Yield the marker environment of each supported Python and machine."""
    for python in PYTHONS:
        for sys_platform, system, machine in MACHINES.values():
            yield {
                **default_environment(),
                "python_version": python.rpartition(".")[0],
                "python_full_version": python,
                "implementation_version": python,
                "sys_platform": sys_platform,
                "platform_system": system,
                "platform_machine": machine,
            }


def read_pins(lock: Path) -> Pins:
    """Return each package's lines; a package may have several, each with its own marker."""
    pins: Pins = {}
    for line in lock.read_text().replace("\\\n", " ").splitlines():
        pin = Requirement(line.partition(" --hash=")[0])
        pins.setdefault(canonicalize_name(pin.name), []).append(pin)
    return pins


def project_requirements(extras: set[str]) -> list[Requirement]:
    """Return the requirements in pyproject.toml, with those extras."""
    lines = [*PROJECT["dependencies"], *(line for name in extras for line in PROJECT["optional-dependencies"][name])]
    return [Requirement(line) for line in lines]


def problems(pins: Pins, requirements: list[Requirement], environment: Environment) -> set[str]:
    """Return the problems of a lock on one machine: pins that are missing, doubled, or outside the requirement."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    waiting = [("daira", "", requirement) for requirement in requirements]
    while waiting:
        parent, extra, requirement = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({**environment, "extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        pinned = [pin for pin in pins.get(name, []) if pin.marker is None or pin.marker.evaluate(environment)]
        if len(pinned) != 1:
            found.add(f"{parent} needs {requirement.name}, which has {len(pinned)} pins")
            continue
        version = str(pinned[0].specifier).removeprefix("==")
        if not requirement.specifier.contains(version, prereleases=True):
            found.add(f"{parent} needs {requirement.name}{requirement.specifier}, and {version} is pinned")
        for each in ("", *requirement.extras):
            if (name, each) not in seen:
                seen.add((name, each))
                waiting += [(name, each, needed) for needed in _needed_by(name)]
    return found


def differences(pins: Pins) -> set[str]:
    """Return the pins of this machine that differ from the installed packages, whose requirements are checked."""
    found = set()
    for name, lines in pins.items():
        for pin in lines:
            if pin.marker is None or pin.marker.evaluate():
                try:
                    installed = metadata.version(name)
                except metadata.PackageNotFoundError:
                    installed = "nothing"
                if str(pin.specifier) != f"=={installed}":
                    found.add(f"{pin.name}{pin.specifier} is pinned, and {installed} is installed: `make install`")
    return found


def without_wheels(lock: Path) -> Iterator[str]:
    """Yield uv's error for each machine on which a pin has no wheel. Asks the package index."""
    for python in PYTHONS:
        for machine in MACHINES:
            looking = subprocess.run(
                [
                    Path(sys.executable).with_name("uv"), "pip", "install", "--quiet", "--dry-run", "--no-deps",
                    "--require-hashes", "--only-binary", ":all:", "--target", ROOT / ".venv" / "none",
                    "--python-version", python, "--python-platform", machine, "--requirements", lock,
                ],
                env=os.environ | {"MACOSX_DEPLOYMENT_TARGET": OLDEST_MACOS},
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if looking.returncode:
                yield f"Python {python} on {machine}: {looking.stderr.strip()}"


@cache
def _needed_by(name: str) -> list[Requirement]:
    try:
        return [Requirement(line) for line in metadata.requires(name) or []]
    except metadata.PackageNotFoundError:
        return []  # for other machines


def main(asked: list[str]) -> int:
    found: set[str] = set()
    for lock, extras in LOCKS.items():
        pins = read_pins(ROOT / lock)
        if asked == ["wheels"]:
            wrong = set(without_wheels(ROOT / lock))
        else:
            wrong = differences(pins).union(
                *(problems(pins, project_requirements(extras), environment) for environment in environments())
            )
        found |= {f"{lock}: {problem}" for problem in wrong}
    for problem in sorted(found):
        print(problem)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
