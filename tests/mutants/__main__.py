"""Copy the checkout and run the session in the copy, so that the checkout never contains a mutant."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
# Without node_modules the JavaScript clients are skipped: they double the time of a trial and reach the same lines.
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".daira", ".bench", "node_modules", ".*_cache", ".hypothesis")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="daira-mutants-") as scratch:
        copy = Path(scratch) / "copy"
        shutil.copytree(CHECKOUT, copy, ignore=LEFT_OUT)
        run = "from tests.mutants.session import main; main()"
        environment = {name: value for name, value in os.environ.items() if name != "CI"}
        return subprocess.run([sys.executable, "-c", run, *sys.argv[1:]], cwd=copy, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
