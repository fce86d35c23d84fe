"""A viewer who turns out to be a minor, and a label on all that the accounts publish, which minors must not see."""

from tests.contract.privacy.world import ACCOUNTS, World
from tests.contract.test_minors import years_ago
from tests.moderating import moderating

ADULT, MINOR = "follower", "inner"


async def label(world: World) -> None:
    await world.people[MINOR].call("account.correct_birth_date", birth_date=years_ago(14))
    async with moderating(world.cluster) as moderator:
        for kind, called in (("post", "post"), ("room", "room"), ("room", "ended room")):
            for thing in world.of_kind(called, ACCOUNTS):
                if not thing.is_deleted:
                    thing.is_for_adults = True
                    await moderator.decide(kind, thing.id, "label", labels=["graphic"])
    world.minors, world.labelled = {MINOR}, {*ACCOUNTS}
    await world.quiet()


async def act_on_labelled(world: World) -> None:
    """Change what has a label, in the ways that those who watch it or have it in their feeds hear of."""
    for account in ACCOUNTS:
        for post in world.of_kind("post", [account]):
            if not post.is_deleted:
                found = await world.people[account].call("post.get", post_id=post.id)
                text = f"{found['text']} again"
                await world.people[account].call("post.edit", post_id=post.id, version=found["version"], text=text)
            if world.sees(ADULT, post):
                about = {"target_type": "post", "target_id": post.id}
                await world.people[ADULT].call("reaction.set", **about, kind="laugh")
    await world.cluster.settle(world.people[ADULT], world.people[MINOR])
