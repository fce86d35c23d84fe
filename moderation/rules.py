"""One rule: an expression in CEL (cel.dev) over features, and what follows when it is true.

CEL has no loops but its macros, no side effects and no recursion. `check` bounds the rest, so that any rule that it
accepts costs little on any text: the length, and macros, of which none is inside another. There is no `matches`: this
implementation compiles a regular expression for each evaluation. Term lists and folded words do what it is used for.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import cel

from moderation.disguises import as_part, as_term
from moderation.features import AUTHOR_MEMBERS, VARIABLES, Publication, features
from moderation.term_lists import TermMatcher
from protocol.moderation import Reason
from protocol.rules import RuleOutcome, RuleSurface

LONGEST_EXPRESSION = 1_000
MOST_MACROS = 2
# About microseconds on a usual text.
_BASE_COST, _MACRO_COST, _WORDS_COST = 0.3, 1.0, 15.0

_FUNCTIONS = {"size", "contains", "startsWith", "endsWith", "int", "double", "string", "min", "max"}
_MACRO = re.compile(r"\.\s*(exists_one|existsOne|exists|all|map|filter)\s*\(")
_BOUND = re.compile(r"\s*([A-Za-z_]\w*)\s*,")
_OVER_WORDS = re.compile(r"\bwords\s*\.\s*(?:exists_one|existsOne|exists|all|map|filter)\s*\(")
_OVER_WORDS_BOUND = re.compile(_OVER_WORDS.pattern + _BOUND.pattern)
_IN_WORDS = re.compile(r"\s+in\s+words\b")
_COMPARED = re.compile(r"\b([A-Za-z_]\w*)\s*(?:==|\.\s*(?:contains|startsWith|endsWith)\s*\()\s*$")
_MEMBER = re.compile(r"\bauthor\s*\.\s*(\w+)")
_STRING = re.compile(
    r"""[bB]?[rR][bB]?(?P<raw>"{3}|'{3}|"|').*?(?P=raw)|[bB]?(?P<quote>"{3}|'{3}|"|')(?:\\.|(?!(?P=quote)).)*(?P=quote)""",
    re.DOTALL,
)
_NO_LISTS = TermMatcher(())


class Rule(NamedTuple):
    """message: says to users what to change; empty for the default text. reason: for the statement of reasons."""

    id: int
    version: int
    name: str
    expression: str
    outcome: RuleOutcome
    surfaces: Sequence[RuleSurface]
    reason: Reason = "other"
    message: str = ""


class BadExpression(ValueError):
    """The expression cannot be a rule; the text says why."""


def check(expression: str) -> float:
    """Return the cost of the rule on a usual text, in about microseconds. Raises BadExpression."""
    if len(expression) > LONGEST_EXPRESSION:
        raise BadExpression(f"has {len(expression)} characters; at most {LONGEST_EXPRESSION} are allowed")
    try:
        program = cel.compile(expression)
    except Exception as error:
        raise BadExpression(f"is not CEL: {_first_line(error)}") from None
    bare = _STRING.sub(_blanked, expression)
    if "//" in bare:
        raise BadExpression("has a comment; describe the rule in its name")
    bound = _check_macros(bare)
    unknown = sorted(set(program.variables()) - VARIABLES.keys() - bound - {"@result"})
    if unknown:
        raise BadExpression(f"uses {unknown[0]}, which is no variable: there are {', '.join(VARIABLES)}")
    strange = sorted(name for name in program.functions() if name[0].isalpha() and name not in _FUNCTIONS)
    if strange:
        raise BadExpression(
            f"calls {strange[0]}, which is no function of rules: there are {', '.join(sorted(_FUNCTIONS))}"
        )
    for member in _MEMBER.findall(bare):
        if member not in AUTHOR_MEMBERS:
            raise BadExpression(f"uses author.{member}: there are {', '.join(AUTHOR_MEMBERS)}")
    _check_spelling(expression, bare)
    for sample in _SAMPLES:
        try:
            value = program.execute(sample)
        except Exception as error:
            raise BadExpression(f"fails on a sample: {_first_line(error)}") from None
        if not isinstance(value, bool):
            raise BadExpression("is not true or false")
    over_words = len(_OVER_WORDS.findall(bare))
    others = len(_MACRO.findall(bare)) - over_words
    return _BASE_COST + _WORDS_COST * over_words + _MACRO_COST * others


def holds(program: cel.Program, context: cel.Context) -> bool:
    """Whether a compiled expression is true; not if it fails, such as a division by zero."""
    try:
        return program.execute(context) is True
    except Exception:
        return False


def _check_macros(bare: str) -> set[str]:
    """The names that macros bind. Raises BadExpression for too many, or one inside another."""
    bound: set[str] = set()
    ends_at = 0
    macros = list(_MACRO.finditer(bare))
    if len(macros) > MOST_MACROS:
        raise BadExpression(f"has more than {MOST_MACROS} of exists, all, map, filter and exists_one")
    for macro in macros:
        if macro.start() < ends_at:
            raise BadExpression(f"has {macro[1]} inside another of exists, all, map, filter and exists_one")
        ends_at = _closing(bare, macro.end())
        name = _BOUND.match(bare, macro.end())
        if name is not None:
            bound.add(name[1])
    return bound


def _check_spelling(expression: str, bare: str) -> None:
    """Raises BadExpression for a string that folded texts never contain, such as «أحمد» instead of «احمد»."""
    names_of_words = {"text", *_OVER_WORDS_BOUND.findall(bare)}
    for string in _STRING.finditer(expression):
        compared = _COMPARED.search(bare, 0, string.start())
        if _IN_WORDS.match(bare, string.end()) or (compared and compared[1] in names_of_words):
            spell = as_term
        elif compared and compared[1] == "squeezed":
            spell = as_part
        else:
            continue
        value = cel.evaluate(string[0])
        if isinstance(value, str) and (folded := spell(value.lstrip("#"))) != value.strip():
            raise BadExpression(f"looks for '{value}', which folded texts never contain: write '{folded}'")


def _closing(bare: str, start: int) -> int:
    """The place of the parenthesis that closes the one before `start`; strings are blanked."""
    depth = 1
    for place in range(start, len(bare)):
        depth += {"(": 1, ")": -1}.get(bare[place], 0)
        if not depth:
            return place
    return len(bare)


def _blanked(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


_SAMPLES = [
    features(draft, _NO_LISTS)
    for draft in (
        Publication("post", [("text", "صباح الخير https://example.com")]),
        Publication("profile", [("display_name", "")]),
        Publication("message", [("text", "hello " * 50)], is_edit=True, media=4, mentions=3, hashtags=2, repeats=9),
    )
]
