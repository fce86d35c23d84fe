"""Judges a draft by all enabled rules and term lists."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, get_args

import cel
from prometheus_client import Counter, Histogram

from moderation.features import Publication, features
from moderation.rules import Rule
from moderation.term_lists import TermList, TermMatcher
from protocol.rules import RuleOutcome, RuleSurface

MOST_RULES = 500  # in force
MOST_TERMS = 50_000  # of all lists together
MOST_COST = 200.0  # of all rules in force, in about microseconds on a usual text; see `rules.check`
LONGEST_TERM = 100

_SEVEREST: tuple[RuleOutcome, ...] = tuple(reversed(get_args(RuleOutcome)))

FAILED = Counter(
    "daira_rules_failed_total", "Evaluations of rules that failed, by rule; the rule then does not hit", ["rule"]
)
JUDGED = Counter("daira_rules_judged_total", "Drafts that rules have judged", ["surface", "outcome"])
SECONDS = Histogram(
    "daira_rules_seconds",
    "Time that all rules take for a draft",
    buckets=(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05),
)


class Verdict(NamedTuple):
    """outcome: of the severest rule that hits, which is `rule`; allow without a rule if none does.

    hits: all rules that hit, also those that an allow rule overrules.
    """

    outcome: RuleOutcome
    rule: Rule | None
    hits: tuple[Rule, ...]


class Rulebook:
    """Building compiles everything, which takes about a second for a full book: build it in a thread.

    version: of the database's book that it was built from.
    """

    def __init__(self, version: int, rules: Iterable[Rule] = (), lists: Iterable[TermList] = ()) -> None:
        self.version = version
        self.matcher = TermMatcher(lists)
        self.rules = tuple(rules)
        compiled = [(rule, cel.compile(rule.expression)) for rule in self.rules]
        self._programs: dict[RuleSurface, list[tuple[Rule, cel.Program]]] = {
            surface: [each for each in compiled if surface in each[0].surfaces] for surface in get_args(RuleSurface)
        }

    def looks_at(self, surface: RuleSurface) -> bool:
        """Whether any rule is in force there; without one, a draft needs no features."""
        return bool(self._programs[surface])

    def compares_files(self, surface: RuleSurface) -> bool:
        """Whether a rule in force there asks what files look like."""
        return any("similar_to_removed" in rule.expression for rule, _ in self._programs[surface])

    def judge(self, draft: Publication) -> Verdict:
        """Judge a draft by all rules. Never raises: a rule that fails does not hit."""
        with SECONDS.time():
            verdict = self._judge(draft)
        JUDGED.labels(draft.surface, verdict.outcome).inc()
        return verdict

    def _judge(self, draft: Publication) -> Verdict:
        programs = self._programs[draft.surface]
        if not programs:
            return Verdict("allow", None, ())
        context = cel.Context(variables=features(draft, self.matcher))
        hits = tuple(_hits(programs, context))
        for rule in hits:
            if rule.outcome == "allow":
                return Verdict("allow", rule, hits)
        for outcome in _SEVEREST:
            for rule in hits:
                if rule.outcome == outcome:
                    return Verdict(outcome, rule, hits)
        return Verdict("allow", None, ())


def _hits(programs: Sequence[tuple[Rule, cel.Program]], context: cel.Context) -> Iterator[Rule]:
    """The rules that are true. A full book has 500, so none of them costs a call of a function."""
    for rule, program in programs:
        try:
            if program.execute(context) is True:
                yield rule
        except Exception:
            FAILED.labels(str(rule.id)).inc()
