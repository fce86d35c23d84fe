"""Standing: what moderation has made of things, as their authors are told it."""


def told_standing(table: str, author: str) -> str:
    """SQL: the standing of a row of content, as the viewer is told it. author: the column of its author."""
    is_told = f"{table}.{author} = viewer_id() AND {table}.standing <> 'shadowed'"
    return f"CASE WHEN {is_told} THEN {table}.standing ELSE 'visible' END"
