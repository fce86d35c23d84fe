"""The table of loops, and what operators read about them."""

import re
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli import app
from workers.job import groups
from workers.loops import LOOPS
from workers.media_lanes import LANES

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"


def test_the_document_describes_each_loop():
    chapter = OPERATING.read_text("utf-8").partition("\n### Loops\n")[2].partition("\n#")[0]
    described = re.findall(r"^\| `(\S+)` \| (.+) \|$", chapter, re.MULTILINE)
    assert described == [(name, loop.about) for name, loop in LOOPS.items()]


def test_help_names_each_loop_and_group():
    shown = CliRunner().invoke(app, ["work", "--help"]).stdout
    assert {*LOOPS, *groups()} <= {*re.findall(r"[\w-]+", shown)}


def test_each_lane_has_a_loop_and_no_group_is_named_like_one():
    assert LANES.keys() <= LOOPS.keys()
    assert LOOPS.keys().isdisjoint(groups())
