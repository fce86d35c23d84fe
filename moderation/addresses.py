"""Web addresses in a text, and their registrable domains. Makes no network requests."""

from functools import cache, lru_cache
from typing import NamedTuple

import regex
from publicsuffixlist import PublicSuffixList

MOST_ADDRESSES = 20
_LONGEST_HOST = 253

# "hxxp://", "example[.]com" and "example (dot) com" are written to be read by people and not by filters.
_DOT = regex.compile(r"\s{0,2}[\[({]\s{0,2}(?:\.|dot|نقطة)\s{0,2}[\])}]\s{0,2}", regex.IGNORECASE)
_ADDRESS = regex.compile(
    r"(?<![\p{L}\p{N}@._-])(?:[a-z][a-z0-9+.-]{0,20}+://(?:[^\s/@]{1,100}+@)?)?"
    r"(?P<host>[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}-]{0,62})(?:[.。．｡][\p{L}\p{M}\p{N}-]{1,63}){1,10})"
    r"(?P<rest>(?::\d{1,5})?(?:[/?#][^\s]{0,2000}+)?)",
    regex.IGNORECASE,
)
_DOTS = str.maketrans("。．｡", "...")


class Address(NamedTuple):
    url: str  # host in lower case, and what follows it
    host: str
    domain: str  # the registrable one: example.com.eg


def addresses(text: str) -> list[Address]:
    """The web addresses in a text, each once, in order; those without a scheme too, if their ending is a public one."""
    if not any(dot in text for dot in ".。．｡") and not _DOT.search(text):
        return []
    found: dict[str, Address] = {}
    for match in _ADDRESS.finditer(_DOT.sub(".", text)):
        host = match["host"].translate(_DOTS).lower().rstrip(".")
        domain = registrable(host)
        if domain is not None:
            url = host + match["rest"].rstrip(".,;:!?)]}»\"'")
            found.setdefault(url, Address(url, host, domain))
        if len(found) == MOST_ADDRESSES:
            break
    return list(found.values())


@lru_cache(4_096)
def registrable(host: str) -> str | None:
    """The registrable domain of a host name; None if it ends in no public suffix."""
    if len(host) > _LONGEST_HOST:
        return None
    found: str | None = _suffixes().privatesuffix(host)
    return found


@cache
def _suffixes() -> PublicSuffixList:
    """The list that the package brings; it is never fetched."""
    return PublicSuffixList(accept_unknown=False)
