"""The examples in docs/search.md are true."""

import doctest
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs/search.md"


def test_examples():
    examples = doctest.DocTestParser().get_doctest(DOCUMENT.read_text("utf-8"), {}, "search.md", str(DOCUMENT), 0)
    assert len(examples.examples) > 10
    report: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(examples, out=report.append)
    assert result.failed == 0, "".join(report)
