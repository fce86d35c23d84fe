"""Ages: who may register, and whose account begins as private."""

from datetime import date

from protocol import errors

YOUNGEST = 13
ADULT = 18  # users below it begin with a private account


def age_on(today: date, birth_date: date) -> int:
    """The age in full years. Raises INVALID_ARGUMENT if the date cannot be a birth date."""
    if birth_date > today or birth_date.year < 1900:
        raise errors.invalid("birth_date", "is not a date of birth")
    had_birthday = (today.month, today.day) >= (birth_date.month, birth_date.day)
    return today.year - birth_date.year - (not had_birthday)


def check_may_register(age: int) -> None:
    """Raises INVALID_ARGUMENT."""
    if age < YOUNGEST:
        raise errors.invalid("birth_date", f"users must be {YOUNGEST} or older")
