"""`python -m bench.rules`: what the rules cost a post: CPU time of a full book, 500 rules and 50,000 terms.

Posts are made of the judged Egyptian documents of the evaluation of search, one to four of them each, none twice the
same. Every 50th is disguised or has 5,000 characters. Rules look at what rules of real services do: term lists and age,
addresses, the pace of the author, repeated texts, with as many macros as a book may have.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

from language import stems, words
from moderation import disguises
from moderation.disguises import read
from moderation.features import Author, Publication, features
from moderation.rulebook import MOST_COST, MOST_RULES, MOST_TERMS, Rulebook
from moderation.rules import Rule, check
from moderation.term_lists import TermList
from protocol.rules import TermMatch

POSTS = 1_600
ROUNDS = 3  # the least CPU time of a post counts: other work on the machine slows memory down
LISTS = 20
TARGET_MS = 1.0
_ARABIC, _LATIN = "ابتثجحخدذرزسشصضطظعغفقكلمنهوي", "abcdefghijklmnopqrstuvwxyz"
_DOCUMENTS = Path(__file__).parents[1] / "evaluation" / "gold" / "documents.tsv"

Work = Callable[[Publication], object]


def lists(chance: random.Random) -> list[TermList]:
    """50,000 terms: words and phrases of two or three words in both scripts, a tenth by sound, a tenth inside words."""

    def word() -> str:
        return "".join(chance.choices(chance.choice((_ARABIC, _LATIN)), k=chance.randint(4, 9)))

    def terms(amount: int, *, phrases: bool) -> list[str]:
        return [" ".join(word() for _ in range(chance.choice((1, 1, 2, 3)) if phrases else 1)) for _ in range(amount)]

    each = MOST_TERMS // LISTS
    ways: list[TermMatch] = ["sound", "sound", "inside", "inside"]
    ways += ("word" for _ in range(LISTS - len(ways)))
    return [TermList(f"list{n}", way, terms(each, phrases=way == "word")) for n, way in enumerate(ways)]


def rules() -> list[Rule]:
    """500 rules that cost as much as a book may."""
    shapes = (
        "'list{0}' in lists && author.age_h < {1}.0",
        "size(urls) > 1 && author.posts_1h >= {1} && !author.is_verified",
        "'host{1}.com' in domains",
        "repeats > {1} && author.followers < 10",
        "mentions > {1} && author.age_h < 72.0 || hashtags > 30 + {1}",
        "text.contains('phrase {1}') && media > 0",
        "own_repeats > {1} && length > 20",
        "media > 3 && author.posts > {1}",
    )
    found = [shapes[number % len(shapes)].format(number % LISTS, number) for number in range(MOST_RULES)]
    costly = chain.from_iterable(
        (f"domains.exists(d, d.endsWith('.top{number}'))", f"words.exists(w, w.startsWith('pre{number}'))")
        for number in range(MOST_RULES)
    )
    cost = sum(check(each) for each in found)
    for place, expression in enumerate(costly):
        cost += check(expression)
        if cost > MOST_COST:
            break
        found[-place - 1] = expression
    return [Rule(number, 1, f"rule {number}", each, "hold", ("post",)) for number, each in enumerate(found, 1)]


def drafts(chance: random.Random) -> list[Publication]:
    documents = [line.split("\t") for line in _DOCUMENTS.read_text().splitlines()[1:]]
    texts = [max(columns, key=len) for columns in documents]
    found = []
    for number in range(POSTS):
        text = "\n".join(chance.sample(texts, chance.randint(1, 4))) + f" {number}"
        if number % 100 == 0:
            text = " ".join(text[:400])
        elif number % 100 == 50:
            text = "\n".join(chance.sample(texts, 80))[:5_000]
        elif number % 3 == 0:
            text += f" https://shop{number}.example.com/p?id={number}"
        author = Author(age_s=chance.random() * 1e7, posts_1h=chance.randint(0, 9))
        found.append(Publication("post", [("text", text)], author, mentions=number % 4, repeats=number % 3))
    return found


def milliseconds(work: Work, posts: Sequence[Publication]) -> list[float]:
    took = []
    for post in posts:
        began = time.thread_time_ns()
        work(post)
        took.append((time.thread_time_ns() - began) / 1e6)
    return took


def one_round(work: Work, warm: Sequence[Publication], measured: Sequence[Publication]) -> list[float]:
    """Words are cached, as on a node, but only those of other posts."""
    for cached in (words.read_word, words._split, stems.stem, disguises._without_digits):
        cached.cache_clear()
    milliseconds(work, warm)
    return milliseconds(work, measured)


def main() -> None:
    chance = random.Random(7)
    began = time.perf_counter()
    book = Rulebook(1, rules(), lists(chance))
    built_s = time.perf_counter() - began
    posts = drafts(chance)
    warm, measured = posts[: POSTS // 4], posts[POSTS // 4 :]
    steps: tuple[tuple[str, Work], ...] = (
        ("read the text", lambda post: read(post.text)),
        ("all features", lambda post: features(post, book.matcher)),
        ("the whole verdict", book.judge),
    )
    table = Table("CPU ms of a post", "p50", "p95", "p99", "largest")
    p95 = 0.0
    for name, work in steps:
        took = [min(rounds) for rounds in zip(*(one_round(work, warm, measured) for _ in range(ROUNDS)), strict=True)]
        cuts = statistics.quantiles(took, n=100)
        p95 = cuts[94]
        table.add_row(name, *(f"{value:.2f}" for value in (cuts[49], p95, cuts[98], max(took))))
    console = Console(width=100)
    console.print(table)
    characters = statistics.quantiles([len(post.text) for post in measured], n=100)
    console.print(f"{len(book.rules)} rules, {MOST_TERMS} terms, built in {built_s:.1f} s; "
                  f"posts of {characters[49]:.0f} characters (p50), {characters[94]:.0f} (p95)")  # fmt: skip
    console.print(f"p95 of the verdict {p95:.2f} ms: {'within' if p95 < TARGET_MS else 'BEYOND'} {TARGET_MS:.0f} ms")


if __name__ == "__main__":
    main()
