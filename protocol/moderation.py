"""Words of moderation: what is judged, why, and what a decision does. Shared by reports, cases, decisions and rules.

A target is a type and an id. A chat message is the one with the number `seq` in the chat of that id; `seq` is 0 for all
other types, in tables and functions too (`target_seq`). A message in a live room is a `room_message`, which has an id.
"""

from typing import Annotated, Literal

import msgspec

Role = Literal["moderator", "admin"]
ModeratedType = Literal["post", "comment", "message", "media", "room", "room_message", "user"]
Reason = Literal[
    "spam",
    "harassment",
    "hate",
    "violence",
    "sexual",
    "self_harm",
    "minors",
    "scam",
    "impersonation",
    "private_information",
    "copyright",
    "illegal",
    "other",
]
Action = Literal["approve", "warn", "label", "limit", "shadow", "hold", "remove", "suspend", "ban"]
WITHHOLDING: frozenset[Action] = frozenset({"shadow", "hold", "remove"})
Label = Literal["sensitive", "violence", "sexual", "spoiler", "misleading", "graphic"]
CaseSource = Literal["report", "rule", "classifier", "appeal"]
CaseStatus = Literal["open", "decided"]
AppealStatus = Literal["open", "upheld", "overturned"]
# 4 is the gravest: minors. Then self-harm, violence and illegal acts; hate, harassment, sexual contents, scams and
# private information; impersonation and copyright; and spam.
Severity = Annotated[int, msgspec.Meta(ge=0, le=4)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
