"""The tables of `daira eval feed`, in Markdown, so that docs/feed.md can hold them as they are printed."""

from collections.abc import Callable, Sequence

import numpy as np
from rich import box
from rich.table import Table

from evaluation.feed import Outcome, Split, interval, pooled
from evaluation.feed_log import DAY_MS, Flags, Floats
from evaluation.feed_scores import Scores
from evaluation.feed_world import NEW_FOR_MS
from evaluation.metrics import Interval, bootstrap

RANKED, RIVALS = "ranked", ("latest", "popular", "latest of all", "popular of all", "random")
FEWEST_EXPLORED = 30
FEW, MANY = 20, 80  # followed users

Judged = Callable[[Outcome], Scores]


def by_log(outcome: Outcome) -> Scores:
    return outcome.by_log


def by_world(outcome: Outcome) -> Scores:
    assert outcome.by_world is not None
    return outcome.by_world


def scores_table(title: str, splits: Sequence[Split], judged: Judged) -> Table:
    """One row for each contender."""
    table = Table("feed", title=title, box=box.MARKDOWN, title_justify="left")
    for name in ("NDCG@10", "Recall@50", "hides of 10", "coverage", "Gini", "new creators", "explored gain"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in splits[0].outcomes:
        outcomes = [split.outcomes[name] for split in splits]
        spread = np.mean([outcome.spread for outcome in outcomes], axis=0)
        found = sum(outcome.estimate.found for outcome in outcomes)
        gain = sum(outcome.estimate.gain * outcome.estimate.found for outcome in outcomes if outcome.estimate.found)
        table.add_row(
            name,
            _interval(interval(splits, lambda split, name=name: judged(split.outcomes[name]).ndcg)),  # type: ignore[misc]
            _interval(interval(splits, lambda split, name=name: judged(split.outcomes[name]).recall)),  # type: ignore[misc]
            _percent(interval(splits, lambda split, name=name: judged(split.outcomes[name]).hides)),  # type: ignore[misc]
            f"{spread[0]:.1%}", f"{spread[1]:.2f}", f"{spread[2]:.1%}",
            f"{gain / found:.3f} ({found})" if found >= FEWEST_EXPLORED else "–",
        )  # fmt: skip
    return table


def differences_table(splits: Sequence[Split], judged: Judged) -> Table:
    """NDCG@10 of the ranked feed minus that of others, for the same people."""
    table = Table(
        "ranked minus", "NDCG@10", "", title="Differences, paired by person", box=box.MARKDOWN, title_justify="left"
    )
    for name in [each for each in splits[0].outcomes if each != RANKED]:
        found = bootstrap(difference(splits, name, judged))
        verdict = "better" if found.low > 0 else "worse" if found.high < 0 else "undecided"
        table.add_row(name, f"{found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]", verdict)
    return table


def difference(splits: Sequence[Split], rival: str, judged: Judged) -> Floats:
    return pooled(splits, lambda split: judged(split.outcomes[RANKED]).ndcg - judged(split.outcomes[rival]).ndcg)


def groups_table(splits: Sequence[Split], judged: Judged) -> Table:
    """The groups of people that gain by ranking, and those that lose."""
    names = [RANKED, *(name for name in RIVALS if name in splits[0].outcomes)]
    table = Table("people", "number", title="NDCG@10 by kind of person", box=box.MARKDOWN, title_justify="left")
    for name in names:
        table.add_column(name, justify="right")
    groups = [_groups(split) for split in splits]
    for kind in groups[0]:
        chosen = [(split, of_split[kind]) for split, of_split in zip(splits, groups, strict=True)]
        amount = sum(int(mask.sum()) for _, mask in chosen)
        if not amount:
            continue
        cells = [
            f"{np.concatenate([judged(split.outcomes[name]).ndcg[mask] for split, mask in chosen]).mean():.3f}"
            for name in names
        ]
        table.add_row(kind, str(amount), *cells)
    return table


def _groups(split: Split) -> dict[str, Flags]:
    """Group the people of a split by what was known of them then."""
    past, people = split.past, split.people
    amount = len(past.people.joined_at)
    follows = np.bincount(past.follows.follower, minlength=amount)[people]
    days = max((split.moment_ms - int(past.exposures.at.min())) / DAY_MS, 1.0)
    shown = np.bincount(past.exposures.person, minlength=amount)[people] / days
    acts = np.bincount(past.acts.person[past.acts.action != 0], minlength=amount)[people]
    is_new = past.people.joined_at[people] >= split.moment_ms - NEW_FOR_MS
    return {
        "all": np.ones(len(people), bool),
        "joined in the last 7 days": is_new,
        f"follow fewer than {FEW}": follows < FEW,
        f"follow {FEW} to {MANY}": (follows >= FEW) & (follows <= MANY),
        f"follow more than {MANY}": follows > MANY,
        "see fewer than 15 posts a day": shown < 15,
        "see 15 posts a day or more": shown >= 15,
        "acted fewer than 5 times": acts < 5,
        "acted 5 times or more": acts >= 5,
        "write in Latin letters": past.people.is_latin[people],
    }


def _interval(found: Interval | None) -> str:
    return f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]" if found else "–"


def _percent(found: Interval | None) -> str:
    return f"{found.mean:.2%} [{found.low:.2%}, {found.high:.2%}]" if found else "–"
