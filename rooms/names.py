"""The names of rooms. Each belongs to an owner: whoever is barred from the owner leaves all the owner's rooms."""


def post(post_id: int) -> str:
    """Who has that post open."""
    return f"post:{post_id}"


def author(author_id: int) -> str:
    """The online followers of an author with too many of them for fan-out."""
    return f"author:{author_id}"
