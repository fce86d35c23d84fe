"""A hundred files that users and attackers send: each ends as clean files, or with a reason, and leaves no process."""

from pathlib import Path

import pytest

from media.jobs import Failure, Processed
from tests.media.cleanliness import metadata_in
from tests.media.corpus import CASES, Case
from tests.media.runs import children, run

ONE_COLOUR = {"one-pixel.png", "thread.png", "largest.png", "states-more.jpg"}  # they look like no other picture


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


def case_ids(*, fails: bool) -> list[str]:
    return [case.name + f"-{case.kind}" for case in CASES.values() if bool(case.codes) == fails]


def cases(*, fails: bool) -> list[Case]:
    return [case for case in CASES.values() if bool(case.codes) == fails]


async def test_the_corpus_is_large() -> None:
    assert len(cases(fails=True)) >= 40
    assert len(cases(fails=False)) >= 40


@pytest.mark.parametrize("case", cases(fails=False), ids=case_ids(fails=False))
async def test_file_comes_back_without_metadata(files: Path, tmp_path: Path, case: Case) -> None:
    processed, output, _ = await run(tmp_path, case.write(files), case.kind)
    assert isinstance(processed, Processed), processed.text
    assert processed.files
    for file in processed.files:
        assert metadata_in(output / file) == []
    for variant in processed.variants:
        assert variant.size_bytes == (output / variant.file).stat().st_size > 0
    match case.kind:
        case "image":
            assert (processed.blurhash or "")[:1] in "LT"
            assert (processed.perceptual_hash is None) == (case.name in ONE_COLOUR)
        case "video":
            assert {variant.name for variant in processed.variants} == {"mp4", "poster"}
            assert (processed.duration_ms or 0) > 0
        case "audio":
            assert len(processed.waveform or []) <= 100
            assert max(processed.waveform or [0]) == 100
    assert children() == []


@pytest.mark.parametrize("case", cases(fails=True), ids=case_ids(fails=True))
async def test_file_is_refused_with_a_reason(files: Path, tmp_path: Path, case: Case) -> None:
    failure, _, _ = await run(tmp_path, case.write(files), case.kind)
    assert isinstance(failure, Failure), "it was processed"
    assert failure.code in case.codes
    assert failure.text.endswith(".")
    assert children() == []
