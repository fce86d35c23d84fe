"""The standing of posts, comments, messages, files and rooms, and how viewers want labels shown.

limited: visible to followers and by its id, but not found by others. shadowed, held and removed: visible only to
its author; the author does not see that content is shadowed.
"""

from typing import Literal

Standing = Literal["visible", "limited", "shadowed", "held", "removed"]
WITHHELD: frozenset[Standing] = frozenset({"shadowed", "held", "removed"})
ToldStanding = Literal["visible", "limited", "held", "removed"]
"""As the author sees it; others always see `visible`."""

LabelChoice = Literal["show", "blur", "hide"]
