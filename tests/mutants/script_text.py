"""Mutants of Lua scripts and of SQL policies and functions, by tokens: both languages write conditions alike."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.mutants.mutant import Mutant


class Language(NamedTuple):
    skipped: str  # pattern of comments, strings and other text without conditions
    tokens: str  # pattern of all other tokens
    swaps: dict[str, tuple[str, ...]]
    edges: frozenset[str]  # tokens that end an operand of `and` and `or`


COMMENT_OR_STRING = r"--[^\n]*|'[^']*'"
LUA = Language(
    skipped=COMMENT_OR_STRING + r"|(?:KEYS|ARGV)\[\d+\]",
    tokens=r"[\w.]+|==|~=|<=|>=|\.\.|\S",
    swaps={
        "==": ("~=",), "~=": ("==",), "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
        "and": ("or",), "or": ("and",), "+": ("-",), "-": ("+",),
    },
    edges=frozenset({"if", "elseif", "then", "return", "=", ",", "local", "end", "while", "do", ";"}),
)  # fmt: skip
SQL = Language(
    skipped=COMMENT_OR_STRING,
    tokens=r"[\w.]+|<>|<=|>=|::|:=|\S",
    swaps={
        "=": ("<>",), "<>": ("=",), "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"),
        "and": ("OR",), "or": ("AND",), "exists": ("NOT EXISTS",), "not": ("",), "+": ("-",), "-": ("+",),
    },
    edges=frozenset({
        "where", "on", "if", "elsif", "when", "then", "having", "filter", "using", "check", "return", "select", "group",
        "order", "limit", "for", "union", "join", "left", "returning", "as", "end", "begin", ",", ";", ":=",
    }),
)  # fmt: skip

COMPARISONS = {"=", "==", "~=", "<>", "<", "<=", ">", ">="}


class _Token(NamedTuple):
    text: str  # in lower case
    start: int
    end: int


def mutants(module: str, place: str, text: str, language: Language) -> Iterator[Mutant]:
    tokens = list(_tokens(text, language))
    for index, token in enumerate(tokens):
        for other in language.swaps.get(token.text, ()):
            yield mutant_of(module, place, text, token.start, token.end, other)
        if token.text.isdecimal() and _is_compared(tokens, index):
            for step in (1, -1):
                yield mutant_of(module, place, text, token.start, token.end, str(int(token.text) + step))
        if token.text in ("and", "or"):
            neutral = {"and": "true", "or": "false"}[token.text]
            for start, end in (_operand(tokens, index, -1, language), _operand(tokens, index, 1, language)):
                if text[start:end].lower() != neutral:
                    yield mutant_of(module, place, text, start, end, neutral)
    if language is LUA:
        yield from _lua_alone(module, place, text)


def _lua_alone(module: str, place: str, text: str) -> Iterator[Mutant]:
    """Yield mutants with a negated condition, and with a command removed."""
    for condition in re.finditer(r"^ *(?:else)?if (.+?) then\b", text, re.DOTALL | re.MULTILINE):
        yield mutant_of(module, place, text, *condition.span(1), f"not ({condition[1]})")
    for command in re.finditer(r"^ *(redis\.call\(.*\)|\w+\([^()]*\)) *(?:--.*)?$", text, re.MULTILINE):
        yield mutant_of(module, place, text, *command.span(1), "")


def _tokens(text: str, language: Language) -> Iterator[_Token]:
    for found in re.finditer(f"(?P<skipped>{language.skipped})|{language.tokens}", text):
        if found["skipped"] is None:
            yield _Token(found[0].lower(), *found.span())
        elif not found[0].startswith("--"):
            yield _Token("", *found.span())


def _is_compared(tokens: list[_Token], index: int) -> bool:
    neighbours = {tokens[each].text for each in (index - 1, index + 1) if each < len(tokens)}
    return not neighbours.isdisjoint(COMPARISONS)


def _operand(tokens: list[_Token], at: int, step: int, language: Language) -> tuple[int, int]:
    """Return start and end of the operand before (step -1) or after (step 1) the `and` or `or` at this index."""
    opening, closing = ({*"([{"}, {*")]}"}) if step > 0 else ({*")]}"}, {*"([{"})
    depth, index = 0, at + step
    while 0 <= index < len(tokens):
        text = tokens[index].text
        if depth == 0 and (text in closing or text in language.edges or text in ("and", "or")):
            break
        depth += (text in opening) - (text in closing)
        index += step
    first, last = sorted((at + step, index - step))
    return tokens[first].start, tokens[last].end


def mutant_of(module: str, place: str, text: str, start: int, end: int, instead: str) -> Mutant:
    make = lambda: text[:start] + instead + text[end:]  # noqa: E731
    return Mutant(module, place, text.count("\n", 0, start) + 1, text, make)
