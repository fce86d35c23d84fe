"""Rate limits that methods declare. `DAIRA_LIMIT_<NAME>` overrides the rate; `daira limits` lists them."""

from typing import NamedTuple


class Limit(NamedTuple):
    """`rate` is "N/period", as in "10/hour" or "400/24 hour". `counts` says what is counted, and for whom."""

    name: str
    rate: str
    counts: str

    @property
    def variable(self) -> str:
        return f"DAIRA_LIMIT_{self.name.upper()}"


WRITE = Limit("write", "1000/hour", "other writes by user, together")
