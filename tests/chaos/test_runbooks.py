"""Every command that docs/operating.md marks as `sh` runs on a real installation, in the order of the page."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.embedded import Servers, postgres_programs
from tests.gateway.test_commands import Installation, wait_for_line
from tests.patience import WAIT_S

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
# A block may be indented, because it belongs to an item of a list.
BLOCKS = re.findall(r"^( *)```sh\n(.*?)^\1```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = [textwrap.dedent(block) for _, block in BLOCKS]


class Operator:
    """A shell with the settings of a running installation, and the variables that the page names."""

    def __init__(self, place: Installation, folder: Path) -> None:
        servers = Servers(**place.servers())
        room = place.call("room.create", {"topic": "a hot one", "visibility": "public"}, "mona_elsayed")
        self._environment = {
            **place.environment,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), str(postgres_programs()), os.environ["PATH"]]),
            "ADMIN": servers.postgres_url("postgres"),
            "DIR": str(folder / "backup"),
            "ROOM": room["id"],
            "VERSION": str(room["version"]),
            "HOST": "mona_elsayed",
        }

    def run(self, commands: str) -> str:
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands], env=self._environment, capture_output=True, text=True,
            check=False, timeout=300,
        )  # fmt: skip
        assert result.returncode == 0, f"{commands}\n{result.stdout}\n{result.stderr}"
        return result.stdout


@pytest.fixture(scope="module")
def operator(tmp_path_factory) -> Iterator[Operator]:
    folder = tmp_path_factory.mktemp("runbooks")
    place = Installation(folder / "data")
    process = place.start("up", "--demo")
    wait_for_line(process, "call feed.get")
    yield Operator(place, folder)
    process.send_signal(signal.SIGTERM)
    assert process.wait(WAIT_S) == 0
    place.run("erase")


def test_the_page_has_commands():
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("commands", COMMANDS, ids=[commands.split("\n")[0][:60] for commands in COMMANDS])
def test_commands_of_the_page_run(operator, commands):
    print(f"\n{commands}{operator.run(commands)}")
