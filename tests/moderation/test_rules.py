"""Which expressions can be rules, and what a book of rules says of a draft."""

import pytest

from moderation.features import AUTHOR_MEMBERS, VARIABLES, Author, Publication, features
from moderation.rulebook import Rulebook
from moderation.rules import BadExpression, Rule, check
from moderation.term_lists import TermList, TermMatcher
from protocol.rules import RuleOutcome, RuleSurface

SLURS = TermList("slurs", "word", ["حمار"])


def rule(
    expression: str, outcome: RuleOutcome = "hold", id: int = 1, surfaces: tuple[RuleSurface, ...] = ("post",)
) -> Rule:
    check(expression)
    return Rule(id, 1, "a rule", expression, outcome, surfaces)


def post(text: str, author: Author = Author(), **more: int) -> Publication:  # noqa: B008
    return Publication("post", [("text", text)], author, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "expression",
    [
        "'slurs' in lists && author.age_h < 24",
        "domains.exists(d, d == 'evil.com')",
        "words.exists(w, size(w) == 11 && w.startsWith('01')) && size(urls) > 0",
        "!author.is_verified && author.posts_1h > 5 && repeats > 3",
        "raw.contains('a) words.exists(')",
        "media > 0 && author.followers < 3",
        "raw.contains('FREE') && !text.contains(' free ') && domains.exists(w, w == 'Évil.com')",
    ],
)
def test_an_expression_over_features_can_be_a_rule(expression: str) -> None:
    assert check(expression) > 0


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("", "is not CEL"),
        ("(", "is not CEL"),
        ("true), (true", "is not CEL"),
        ("true // text", "comment"),
        ("1", "not true or false"),
        ("secret == 1", "secret, which is no variable"),
        ("author.password == ''", "author.password"),
        ("open('x') == ''", "calls open"),
        ("1 / 0 == 1", "fails on a sample"),
        ("words.exists(w, words.exists(v, v == w))", "inside another"),
        ("words.exists(w, words.existsOne(v, v == w))", "inside another"),
        ("r'\\' == '' || words.exists(x, words.exists(y, y == x)) || 'a' == ''", "inside another"),
        ("text.matches('a+')", "calls matches"),
        (" || ".join(["words.exists(w, w == 'a')"] * 3), "more than 2 of exists"),
        (" || ".join(["true"] * 200), "characters"),
        ("'أحمد' in words", "write 'احمد'"),
        ("'Wooow' in words", "write 'wow'"),
        ("'#offer' in words", "write 'offer'"),
        ("size(raw) > 3 && text.contains('FREE money')", "write 'free money'"),
        ("words.exists(w, w.startsWith('Free'))", "write 'free'"),
        ('words.exists(each, each == "c@sino")', "write 'casino'"),
        ("squeezed.contains('free money')", "write 'freemoney'"),
        ("(" * 400 + "true" + ")" * 400, "is not CEL"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_with_the_reason(expression: str, why: str) -> None:
    with pytest.raises(BadExpression, match=why):
        check(expression)


def test_every_variable_is_described() -> None:
    values = features(post("صباح الخير"), TermMatcher(()))
    assert values.keys() == VARIABLES.keys()
    assert values["author"].keys() == AUTHOR_MEMBERS.keys()


def test_a_disguised_term_of_a_new_account_is_held() -> None:
    book = Rulebook(1, [rule("'slurs' in lists && author.age_h < 24")], [SLURS])
    new = Author(age_s=3_600)
    assert book.judge(post("يا ح_م_ا_ر", new)).outcome == "hold"
    assert book.judge(post("يا ح_م_ا_ر")).outcome == "allow"
    assert book.judge(post("صباح الخير", new)).outcome == "allow"


def test_the_severest_rule_decides_unless_one_allows() -> None:
    hold, change, refuse = rule("true", "hold", 1), rule("true", "require_change", 2), rule("true", "refuse", 3)
    assert Rulebook(1, [hold, change]).judge(post("x")).rule == change
    assert Rulebook(1, [refuse, hold, change]).judge(post("x")).rule == refuse
    verdict = Rulebook(1, [refuse, rule("author.is_verified", "allow", 4)]).judge(post("x", Author(is_verified=True)))
    assert verdict.outcome == "allow"
    assert {hit.id for hit in verdict.hits} == {3, 4}


def test_a_rule_judges_only_its_surfaces() -> None:
    book = Rulebook(1, [rule("true", surfaces=("comment", "room"))])
    assert not book.looks_at("post")
    assert book.judge(post("x")).outcome == "allow"
    assert book.judge(Publication("comment", [("text", "x")])).outcome == "hold"


def test_a_rule_that_fails_does_not_hit_and_stops_no_other() -> None:
    fails = Rule(7, 1, "fails", "100 / mentions > 1", "refuse", ("post",))
    book = Rulebook(1, [fails, rule("true")])
    assert book.judge(post("x")).outcome == "hold"
    assert book.judge(post("x", mentions=3)).outcome == "refuse"


def test_a_macro_over_the_words_costs_the_most() -> None:
    plain, over_urls, over_words = (
        check(each) for each in ("length > 3", "urls.exists(u, u == 'a')", "words.exists(w, w == 'a')")
    )
    assert plain < over_urls < over_words
