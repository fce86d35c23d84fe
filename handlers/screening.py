"""Judges users' texts by the enabled rules before they are stored, and holds the content that a rule holds.

A rule that refuses or requires a change is answered like any bad argument: INVALID_ARGUMENT that names the field.
"""

from collections.abc import Sequence
from typing import NamedTuple

from domain.post_text import hashtags, mentioned_usernames
from handlers.call import Call
from moderation.features import Publication
from moderation.fingerprints import text_fingerprint
from moderation.rulebook import Rulebook, Verdict
from moderation.rules import Rule
from moderation.spam_score import spam_score
from moderation.trials import author_of
from protocol import errors
from protocol.moderation import ModeratedType, Reason
from protocol.rules import RuleSurface
from storage import cases, decisions, flagged, rule_inputs
from storage.database import Transaction
from storage.rule_hits import Hit

Fields = Sequence[tuple[str, str]]  # the texts, by the names of the arguments that they come from

UNTRIED: frozenset[RuleSurface] = frozenset({"message", "room_message"})  # what rules are not tried on
_SCORED: frozenset[RuleSurface] = frozenset({"post", "comment"})
_USUAL_MESSAGE = {
    "refuse": "is against the rules and cannot be published",
    "require_change": "cannot be published like this: change it",
}


class Screened(NamedTuple):
    """The verdict of the rules on a text, and its spam score."""

    surface: RuleSurface
    author_id: int
    verdict: Verdict
    score: float


async def screen(
    call: Call,
    tx: Transaction,
    surface: RuleSurface,
    written_id: int,
    fields: Fields,
    *,
    media_ids: Sequence[str] | None = None,
    is_edit: bool = False,
    author_id: int | None = None,
) -> Screened | None:
    """Return the verdict, for `settle` once the text is stored; None if no rule looks at it.

    written_id: of the post, comment, group or room, or a new one for other texts. author_id: if it is not the caller,
    who registers. Raises INVALID_ARGUMENT for what rules refuse;
    UNAVAILABLE while this node has no rulebook.
    """
    book = call.services.rulebook.book
    if not book.version:
        raise errors.unavailable()
    looks = book.looks_at(surface)
    if not looks and surface in UNTRIED:
        return None  # other texts are always recorded: rules are tried on them before they are enabled
    author_id = call.viewer.id if author_id is None else author_id
    text = "\n".join(text for _, text in fields)
    row = await rule_inputs.weigh(tx, written_id, surface, text_fingerprint(text))
    if row is None:
        return None
    similar: Sequence[Reason] = ()
    if media_ids and book.compares_files(surface):
        similar = await rule_inputs.removed_like(tx, [int(media_id) for media_id in media_ids])
    draft = Publication(
        surface,
        fields,
        author_of(row),
        is_edit=is_edit,
        media=len(media_ids or ()),
        similar_to_removed=similar,
        mentions=len(mentioned_usernames(text)),
        hashtags=len(hashtags(text)),
        repeats=row["repeats"],
        own_repeats=row["own_repeats"],
    )
    score = spam_score(draft) if surface in _SCORED else 0.0
    verdict = book.judge(draft) if looks else Verdict("allow", None, ())
    screened = Screened(surface, author_id, verdict, score)
    if verdict.outcome in ("refuse", "require_change"):
        _note(call, screened, None)
        assert verdict.rule is not None
        reason = verdict.rule.message or _USUAL_MESSAGE[verdict.outcome]
        raise errors.invalid(_field(book, draft, verdict), reason)
    return screened


async def settle(
    call: Call, tx: Transaction, screened: Screened | None, target_type: ModeratedType | None, target_id: int
) -> None:
    """Hold the stored content if a rule says so, and open a case about it. Flag likely spam, which workers judge.

    What a moderator has approved is not held again while it is unchanged. A user is not held, and only gets a case.
    target_type: None for what has no cases, such as a group.
    """
    if screened is None:
        return
    if target_type in ("post", "comment") and screened.score >= call.services.flag_from:
        await flagged.flag(tx, target_type, target_id, screened.score)
    verdict = screened.verdict
    rule = verdict.rule
    if verdict.outcome == "hold" and rule is not None and target_type is not None:
        await _hold(tx, rule, target_type, target_id)

    async def note() -> None:
        _note(call, screened, target_id)

    if verdict.hits:
        call.after_commit(note)


async def _hold(tx: Transaction, rule: Rule, target_type: ModeratedType, target_id: int) -> None:
    if await cases.is_approved(tx, target_type, target_id):
        return
    if target_type != "user":
        draft = decisions.DecisionDraft(
            target_type, target_id, "hold", rule.reason, rule_id=rule.id, rule_version=rule.version
        )
        await decisions.decide(tx, draft)
    await cases.open_case(tx, target_type, target_id, source="rule", reason=rule.reason, rule_id=rule.id)


def _note(call: Call, screened: Screened, target_id: int | None) -> None:
    surface, author_id, verdict, _ = screened
    for rule in verdict.hits:
        call.services.rule_hits.note(Hit(rule.id, rule.version, surface, verdict.outcome, author_id, target_id))


def _field(book: Rulebook, draft: Publication, verdict: Verdict) -> str:
    """`media_ids` if the verdict is another without the files; a text that alone gets it; or the first text."""
    if draft.similar_to_removed and book.judge(draft._replace(similar_to_removed=())).rule != verdict.rule:
        return "media_ids"
    filled = [(name, text) for name, text in draft.fields if text] or list(draft.fields)
    if len(filled) > 1:
        for name, text in filled:
            if book.judge(draft._replace(fields=[(name, text)])).rule == verdict.rule:
                return name
    return filled[0][0]
