"""The names of rooms. Each belongs to an owner, whose posts leave the reach of whoever is barred from them."""


def post(post_id: int) -> str:
    """Who has that post open."""
    return f"post:{post_id}"


def is_post(room: str) -> bool:
    return room.startswith("post:")


def post_id(room: str) -> int:
    return int(room.removeprefix("post:"))


def author(author_id: int) -> str:
    """The online followers of an author with too many of them for fan-out."""
    return f"author:{author_id}"
