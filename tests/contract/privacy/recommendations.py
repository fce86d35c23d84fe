"""Recommendations: posts of the accounts that trend, of which a ranked feed shows strangers what is open to all."""

from tests.contract.privacy.world import ACCOUNTS, VIEWERS, VISIBILITIES, Thing, World


async def wrongly_recommended(world: World) -> list[str]:
    """Publish posts, read all ranked feeds, and delete the posts. Returns the recommendations that are wrong."""
    posts = [
        await world.publish(account, visibility, world.new_name(account, visibility))
        for account in ACCOUNTS
        for visibility in VISIBILITIES
    ]
    owner = await world.cluster.owner()
    await owner.executemany(
        "INSERT INTO post_heat (post_id, heat, is_video) VALUES ($1, 1000000, false)",
        [(int(post.id),) for post in posts],
    )
    await owner.close()
    await world.quiet()
    feeds = {}
    for viewer in VIEWERS:
        await world.people[viewer].call("feed.reset")  # it forgets what was recommended before
        page = await world.people[viewer].call("feed.get", mode="ranked", limit=100)
        suggested = [item["post"] for item in page["items"] if item["reason"] == "suggested"]
        latest = await world.people[viewer].call("feed.get", mode="latest", limit=100)
        feeds[viewer] = (world.read(suggested), {item["reason"] for item in latest["items"]})
    for post in posts:
        await world.delete_post(post)
    found = []
    for viewer, (shown, reasons) in feeds.items():
        expected = {post for post in posts if _is_for_strangers(post) and _is_stranger(world, viewer, post)}
        if (of_these := shown & {*posts}) != expected:
            found.append(f"{viewer} is shown {of_these} instead of {expected}")
        if "suggested" in reasons:
            found.append(f"{viewer} finds recommendations among the latest posts")
    return found


def _is_for_strangers(post: Thing) -> bool:
    return post.conditions == (("open", "public"),)


def _is_stranger(world: World, viewer: str, post: Thing) -> bool:
    is_near = viewer == post.owner or "follows" in world.tie(viewer, post.owner)
    return not is_near and world.may(viewer, post.owner, "public", "act on posts")
