"""The candidates of a ranked feed, chosen in the database: the page that is loaded afterwards hides posts once more."""

from storage import posts
from tests.cluster import Cluster


async def test_posts_of_a_muted_author_are_no_candidates(cluster: Cluster, person):
    reader, author = await person("reader"), await person("author")
    await reader.call("graph.follow", user_id=author.id)
    post_id = int((await author.call("post.create", text="hello"))["id"])

    async def candidates() -> list[int]:
        async with cluster.node_a.parts.services.database.transaction(int(reader.id)) as tx:
            return [each[0] for each in await posts.load_candidates(tx, [post_id], 9)]

    assert await candidates() == [post_id]
    await reader.call("graph.mute", user_id=author.id, kind="posts")
    assert await candidates() == []
    await reader.call("graph.unmute", user_id=author.id)
    assert await candidates() == [post_id]
