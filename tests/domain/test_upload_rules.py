"""Files are sent in parts of one size, and a rest."""

import pytest

from domain.upload_rules import PART_BYTES, part_sizes


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (1, [1]),
        (PART_BYTES, [PART_BYTES]),
        (PART_BYTES + 1, [PART_BYTES, 1]),
        (2 * PART_BYTES, [PART_BYTES, PART_BYTES]),
        (2 * PART_BYTES + 7, [PART_BYTES, PART_BYTES, 7]),
    ],
)
def test_the_parts_of_a_file(size, expected):
    assert part_sizes(size) == expected
