"""The realtime benchmarks count frames correctly, and keep the rest of the document."""

from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from bench.realtime.__main__ import SCENARIOS
from bench.realtime.connections import Traveller
from bench.realtime.load import Counts, Socket
from bench.realtime.report import MARKS, write_document
from bench.realtime.results import Results
from bench.realtime.scenario import at
from bench.realtime.statements import open_handlers, real_calls
from bench.realtime.tick import frame

PING, OTHER = b"\x81\x012", b"\x82\x05other"


class Wire:
    """Records what the socket writes."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


@given(
    sent=st.lists(st.sampled_from([PING, OTHER, "tick", "tick", "tick"]), max_size=40),
    cuts=st.lists(st.sampled_from([1, 3, 139, 278, 417, 500]), min_size=1, max_size=20),
)
async def test_frames_are_counted_wherever_chunks_split_them(sent, cuts):
    counts, wire = Counts(), Wire()
    socket = Socket(counts, 0, None, deflate=False)
    socket.connection_made(wire)
    stream = b"".join(frame() if part == "tick" else part for part in sent)
    number = 0
    while stream:
        cut = cuts[number % len(cuts)]
        socket.data_received(stream[:cut])
        stream, number = stream[cut:], number + 1
    assert counts.frames == len(sent) - sent.count(PING)
    assert len(wire.written) == sent.count(PING)


def test_a_reconnecting_client_knows_whether_its_session_was_recovered():
    traveller = Traveller()
    traveller.hear({"type": 0, "data": {"sid": "1", "pid": "secret"}})
    traveller.hear({"type": 2, "data": ["bench.tick", {}, "0001"]})
    assert traveller.memory == {"pid": "secret", "offset": "0001"}
    assert not traveller.recovered
    traveller.hear({"type": 0, "data": {"sid": "2", "pid": "secret"}})
    assert traveller.recovered


async def test_the_sql_of_a_call_is_recorded_with_its_answer(cluster, person):
    alice, bob = await person("alice"), await person("bob")
    async with open_handlers(cluster.data_dir, int(alice.id)) as handlers:
        calls = real_calls([int(alice.id), int(bob.id)])
        ran = {key: await handlers.run(call) for key, call in calls.items()}
    for key, each in ran.items():
        begin = "BEGIN" if key == "create" else "BEGIN READ ONLY"
        assert each.statements[0].startswith(f"{begin}; SELECT set_config(")
        assert "set_config('app.user_id', '{viewer}', true)" in each.statements[0]
        assert each.statements[-1] == "COMMIT"
        assert each.seconds > 0
    assert ran["user"].answer == await alice.call("user.get", user_id=bob.id)
    assert ran["create"].answer == await alice.call("post.get", post_id=ran["create"].answer["id"])


def measured() -> Results:
    """Every figure of every contender is 2, and 2 and 20 at the sizes 10 and 100."""
    results = Results(where="here")
    for scenario in SCENARIOS:
        results.begin(scenario)
        values = {figure.key: 2.0 for figure in scenario.figures}
        if scenario.against:
            values = {at(figure.key, size): 0.2 * size for figure in scenario.figures for size in (10, 100)}
        for contender in scenario.contenders:
            results.add(scenario, contender.name, values)
    return results


def test_the_document_keeps_the_text_outside_the_marks(tmp_path: Path):
    document = tmp_path / "benchmarks.md"
    (begin, end), (begin_rooms, end_rooms) = MARKS["peers"], MARKS["rooms"]
    document.write_text(f"before\n{begin}\nstale\n{end}\nbetween\n{begin_rooms}\nstale\n{end_rooms}\nafter\n")
    write_document(tmp_path, measured(), SCENARIOS)
    text = document.read_text()
    assert text.startswith(f"before\n{begin}\nhere")
    assert f"{end}\nbetween\n{begin_rooms}\nhere" in text
    assert text.endswith(f"{end_rooms}\nafter\n")
    assert "stale" not in text
    assert "1.0 ×" in (tmp_path / "benchmarks" / "echo.svg").read_text()


def test_figures_at_several_sizes_are_shown_by_size_with_their_growth(tmp_path: Path):
    write_document(tmp_path, measured(), SCENARIOS)
    text = (tmp_path / "benchmarks.md").read_text()
    assert "| Joining a live room: users in the room | 10 | 100 | last ÷ first |" in text
    assert "| room.join, p95, ms | 2.00 | 20.0 | 10.0 × |" in text
    assert "| join, p95, ms | 2.00 | < 250 |" in text
    chart = (tmp_path / "benchmarks" / "room-join.svg").read_text()
    assert chart.count("<polyline") == 5
    ElementTree.fromstring(chart)
