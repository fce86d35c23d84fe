"""The catalogue of close reasons, and the document that clients' authors read."""

from pathlib import Path

from engine.close_reasons import CloseReason

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"


def test_the_document_lists_the_catalogue_in_its_order():
    listed = [
        line
        for line in PROTOCOL.read_text().splitlines()
        if line.startswith("| `") and line.endswith((" yes |", " no |"))
    ]
    assert listed == [
        f"| `{reason.label}` | {reason.when} | {'yes' if reason.reconnects else 'no'} |" for reason in CloseReason
    ]


def test_labels_are_unique():
    assert len({reason.label for reason in CloseReason}) == len(CloseReason)
