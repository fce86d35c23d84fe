"""The standing of posts, comments, messages, files and rooms, and how viewers want labels shown.

limited: seen by followers and whoever asks for it by its id, but not found by others. shadowed, held and removed: only
its author sees it; the author of something shadowed is not told.
"""

from typing import Literal

Standing = Literal["visible", "limited", "shadowed", "held", "removed"]
WITHHELD: frozenset[Standing] = frozenset({"shadowed", "held", "removed"})
ToldStanding = Literal["visible", "limited", "held", "removed"]
"""As the author is told it; others are always told `visible`."""

LabelChoice = Literal["show", "blur", "hide"]
