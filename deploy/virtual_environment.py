"""Make the virtual environment `.venv`, or print in one sentence what is missing.

It runs on the machine's own Python, which may be too old for DAIRA: so it uses only old syntax and the standard
library.
"""

import platform
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MACHINES = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}


def what_is_missing():
    """Return what is missing as a sentence, or None if DAIRA can be installed."""
    required = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', (ROOT / "pyproject.toml").read_text("utf-8"))
    oldest, too_new = map(int, required.groups())
    if not (3, oldest) <= sys.version_info[:2] < (3, too_new):
        return (
            f"DAIRA needs Python 3.{oldest} to 3.{too_new - 1}, and {sys.executable} is {platform.python_version()}: "
            f"install one of these versions and name it, for example `make run PYTHON=python3.{too_new - 2}`."
        )
    machine = (platform.system(), platform.machine())
    if machine not in MACHINES:
        return "DAIRA runs on Linux (x86_64, aarch64) and macOS (arm64), and this is {} on {}.".format(*machine)
    if machine[0] == "Linux" and platform.libc_ver()[0] != "glibc":
        return "DAIRA's packages need Linux with glibc 2.28 or later, such as Debian, Ubuntu or Fedora."
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return (
            f"{sys.executable} lacks the modules `venv` and `ensurepip`: install them "
            "(on Debian and Ubuntu: `apt-get install python3-venv`)."
        )
    return None


def main():
    missing = what_is_missing()
    if missing:
        return missing
    import venv

    venv.create(ROOT / ".venv", clear=True, symlinks=True, with_pip=True)
    return None


if __name__ == "__main__":
    sys.exit(main())
