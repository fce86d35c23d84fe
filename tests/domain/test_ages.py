"""A user's age on a given day, from the date of birth."""

from datetime import date

import pytest

from domain.ages import age_on
from protocol.errors import CallError


@pytest.mark.parametrize(
    ("born", "today", "age"),
    [
        (date(2010, 5, 20), date(2023, 5, 19), 12),
        (date(2010, 5, 20), date(2023, 5, 20), 13),
        (date(2010, 5, 20), date(2023, 5, 21), 13),
        (date(2010, 5, 20), date(2023, 4, 30), 12),
        (date(2010, 5, 20), date(2023, 6, 1), 13),
        (date(2008, 2, 29), date(2026, 2, 28), 17),
        (date(2008, 2, 29), date(2026, 3, 1), 18),
        (date(1900, 1, 1), date(2000, 1, 1), 100),
        (date(2026, 1, 1), date(2026, 1, 1), 0),
    ],
)
def test_age(born, today, age):
    assert age_on(today, born) == age


@pytest.mark.parametrize("born", [date(2026, 1, 2), date(1899, 12, 31)])
def test_no_date_of_birth(born):
    with pytest.raises(CallError) as caught:
        age_on(date(2026, 1, 1), born)
    assert caught.value.details[0].field == "birth_date"
