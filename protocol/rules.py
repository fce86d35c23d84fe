"""Messages about the rules before publishing, for admins. docs/moderation.md describes the language of expressions."""

from typing import Annotated, Literal

import msgspec

from protocol.fields import Cursor, Id, IdempotencyKey, PageSize, Request
from protocol.fields import Reason as Advice
from protocol.moderation import Reason
from protocol.text import Text

# profile: also usernames and texts of presence. group and room: their titles and topics. room_message: in a live room.
RuleSurface = Literal["post", "comment", "message", "profile", "group", "room", "room_message"]
TriedSurface = Literal["post", "comment", "profile", "group", "room"]  # messages are not kept for it
TriedType = Literal["post", "comment", "user", "chat", "room"]
# The mildest first. allow: the other rules do not count.
RuleOutcome = Literal["allow", "hold", "require_change", "refuse"]
# word: whole words, with or without clitics. inside: also within words and across blanks. sound: words of the same
# sound in either script («حمار» and 7omar).
TermMatch = Literal["word", "inside", "sound"]

_NAME = Text(1, 100, lines=False)
_EXPRESSION = Text(1, 1_000)
_TERM = Text(1, 100, lines=False)
RuleName = Annotated[
    str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": 100}, extra={"clean": _NAME.clean})
]
Expression = Annotated[
    str,
    msgspec.Meta(
        description="in CEL, over the variables of rules",
        extra_json_schema={"minLength": 1, "maxLength": 1_000},
        extra={"clean": _EXPRESSION.clean},
    ),
]
Term = Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": 100}, extra={"clean": _TERM.clean})]
Surfaces = Annotated[list[RuleSurface], msgspec.Meta(min_length=1, max_length=7)]
Version = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
ListName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$", max_length=40)]
Terms = Annotated[list[Term], msgspec.Meta(max_length=1_000)]


class RuleVersion(msgspec.Struct, frozen=True):
    """A version of a rule. `message` says to users what to change."""

    rule_id: str
    version: int
    name: str
    surfaces: list[RuleSurface]
    expression: str
    outcome: RuleOutcome
    reason: Reason
    message: str
    saved_by: str
    saved_at: str
    enabled: bool
    enabled_by: str | None
    enabled_at: str | None


class RuleItem(msgspec.Struct, frozen=True):
    """The newest version of a rule, the version in force, and what it hit in the last 24 hours."""

    rule: RuleVersion
    enabled_version: int | None
    hits: int


class RulePage(msgspec.Struct, frozen=True):
    items: list[RuleItem]
    next_cursor: str | None


class RuleVersionPage(msgspec.Struct, frozen=True):
    items: list[RuleVersion]
    next_cursor: str | None


class ListRules(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class ListRuleVersions(Request, frozen=True):
    rule_id: Id
    cursor: Cursor | None = None
    limit: PageSize | None = None


class GetRule(Request, frozen=True):
    """version: the newest one if it is not given."""

    rule_id: Id
    version: Version | None = None


class SaveRule(Request, frozen=True):
    """rule_id and version: of the rule that is changed, and its newest version; neither for a new rule."""

    name: RuleName
    surfaces: Surfaces
    expression: Expression
    outcome: RuleOutcome
    reason: Reason
    message: Advice = ""
    rule_id: Id | None = None
    version: Version | None = None
    idempotency_key: IdempotencyKey | None = None


class TryRule(Request, frozen=True):
    """An expression that need not be saved."""

    expression: Expression
    surfaces: Surfaces


class EnableRule(Request, frozen=True):
    """confirm: although it would have hit more than one of 100 texts, or could not be tried on any, or on messages."""

    rule_id: Id
    version: Version
    confirm: bool = False


class RuleRef(Request, frozen=True):
    rule_id: Id


class TrialSample(msgspec.Struct, frozen=True):
    """A text that would have been hit. `text` is null unless everybody may see it. A `user` is a profile."""

    target_type: TriedType
    target_id: str
    user_id: str
    username: str
    text: str | None


class Trial(msgspec.Struct, frozen=True):
    """The result of trying a rule on the texts of the last 24 hours. Messages are not tried.

    Of very many texts, a part is examined: then `hits` and `verified_hits` are estimates. `needs_confirmation`: it
    would have hit more than one of 100, no text was examined, or the rule is also for messages of chats or rooms.
    """

    texts: int
    examined: int
    hits: int
    verified_hits: int
    needs_confirmation: bool
    samples: list[TrialSample]


class TermListItem(msgspec.Struct, frozen=True):
    list_id: str
    name: str
    match: TermMatch
    version: int
    amount: int
    saved_by: str
    saved_at: str


class TermLists(msgspec.Struct, frozen=True):
    """All lists, or with `list_id` that list and a page of its terms, in the order of code points."""

    items: list[TermListItem]
    terms: list[str]
    next_cursor: str | None


class ListTerms(Request, frozen=True):
    list_id: Id | None = None
    cursor: Cursor | None = None
    limit: PageSize | None = None


class SaveTerms(Request, frozen=True):
    """list_id and version: of the list that is changed, and its present version; neither for a new list."""

    name: ListName
    match: TermMatch
    add: Terms
    remove: Terms
    list_id: Id | None = None
    version: Version | None = None
    idempotency_key: IdempotencyKey | None = None
