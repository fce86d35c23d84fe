"""Standing: the state of content after moderation, as its author sees it."""


def told_standing(table: str, author: str) -> str:
    """SQL: the standing of a row of content, as the viewer sees it. author: the column of its author."""
    is_told = f"{table}.{author} = viewer_id() AND {table}.standing <> 'shadowed'"
    return f"CASE WHEN {is_told} THEN {table}.standing ELSE 'visible' END"
