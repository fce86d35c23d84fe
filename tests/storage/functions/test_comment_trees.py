"""Pages of random trees of comments, compared with a model."""

import random
from dataclasses import dataclass, field
from itertools import islice

import pytest

from tests.storage.functions.rows import LAST, Rows


@dataclass
class Node:
    """A comment of the model. `visible`: neither deleted nor by a hidden user."""

    id: int
    visible: bool
    replies: "list[Node]" = field(default_factory=list)

    @property
    def below(self) -> "list[Node]":
        """All comments below, in the order of the tree."""
        return [node for reply in self.replies for node in (reply, *reply.below)]

    @property
    def is_shown(self) -> bool:
        return self.visible or any(node.visible for node in self.below)


def page_of(siblings: list[Node], amount: int, replies_each: int) -> tuple[list[tuple[int, bool, int]], int | None]:
    """The (id, visible, reply_count) that the page shows, and where the next page begins."""
    looked_at = siblings[: 5 * amount]
    top = list(islice((node for node in looked_at if node.is_shown), amount))
    shown = []
    for node in top:
        first = [each for each in node.below[:10] if each.is_shown]
        shown += [node, *first[:replies_each]]
    page = [(node.id, node.visible, sum(reply.is_shown for reply in node.replies[:5])) for node in shown]
    if len(top) == amount:
        return page, top[-1].id
    return page, looked_at[-1].id if len(looked_at) == 5 * amount else None


@pytest.mark.parametrize("seed", range(12))
async def test_pages_are_those_of_the_model(rows: Rows, seed: int):
    random_tree = random.Random(seed)
    author, viewer, blocked = await rows.users(3)
    await rows.block(viewer, blocked)
    post = await rows.post(author)
    depth_first = random_tree.random()  # how likely a comment replies to the newest one
    roots: list[Node] = []
    nodes: list[Node] = []
    for _ in range(random_tree.randint(1, 60)):
        parent = None
        if nodes and random_tree.random() < 0.8:
            parent = nodes[-1] if random_tree.random() < depth_first else random_tree.choice(nodes)
        by = random_tree.choice((author, viewer, blocked))
        node = Node(await rows.comment(post, by, parent and parent.id), by != blocked)
        nodes.append(node)
        (parent.replies if parent else roots).append(node)
    for node in random_tree.sample(nodes, len(nodes) // 3):
        node.visible = False
        await rows.delete_comment(node.id)
    amount, replies_each = random_tree.randint(1, 5), random_tree.randint(0, 4)
    await read_all(rows, viewer, post, None, roots[::-1], amount, replies_each)
    for node in nodes:
        if node.is_shown:
            await read_all(rows, viewer, post, node.id, node.replies, amount, replies_each)


async def read_all(
    rows: Rows, viewer: int, post: int, parent: int | None, siblings: list[Node], amount: int, replies_each: int
) -> None:
    """Read all pages below the parent, and compare each with the model's."""
    start: int | None = LAST if parent is None else 0
    while start is not None:
        page = await rows.list(viewer, "comment_page", post, parent, start, amount, replies_each)
        after = [node for node in siblings if (node.id < start if parent is None else node.id > start)]
        expected, start = page_of(after, amount, replies_each)
        found = [(row["id"], row["author_id"] is not None, row["reply_count"]) for row in page if row["id"] is not None]
        assert found == expected
        assert {row["next_place"] for row in page} == {start}
