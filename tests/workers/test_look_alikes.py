"""Pictures that look like removed ones: rules hear of it before they are published, and until the removal is undone."""

import random
from io import BytesIO

import pytest
import pytest_asyncio
from PIL import Image, ImageDraw, ImageOps

from tests.cluster import Cluster
from tests.contract.test_rules import admin, in_force, marker  # noqa: F401  fixtures
from tests.media_files import ask
from tests.moderating import moderating
from tests.people import Person
from tests.uploads import upload
from tests.workers.test_media_lanes import lanes, running_lanes  # noqa: F401  a fixture

NEAR = 10  # bits of 64
MIRRORED = 0x5555_5555_5555_5555  # the bits that change


def picture(seed: str) -> Image.Image:
    """Another one for each seed."""
    dice = random.Random(seed)

    def colour() -> tuple[int, ...]:
        return tuple(dice.randrange(256) for _ in range(3))

    image = Image.new("RGB", (9, 6))
    image.putdata([colour() for _ in range(54)])
    image = image.resize((900, 600), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = dice.randrange(800), dice.randrange(500)
        draw.ellipse((x, y, x + dice.randrange(20, 300), y + dice.randrange(20, 200)), fill=colour())
    return image


def encoded(image: Image.Image, how: str = "PNG", **options: int) -> bytes:
    content = BytesIO()
    image.save(content, how, **options)
    return content.getvalue()


def altered(image: Image.Image) -> bytes:
    """Mirrored, smaller, without 1 % at each edge, and as a bad JPEG."""
    width, height = image.size
    cut = image.crop((width // 100, height // 100, width - width // 100, height - height // 100))
    return encoded(ImageOps.mirror(cut.resize((630, 410))), "JPEG", quality=60)


async def uploaded(author: Person, content: bytes) -> str:
    """Upload a picture, and wait until it is processed."""
    type_ = "image/png" if content.startswith(b"\x89PNG") else "image/jpeg"
    file = (await upload(author, content, content_type=type_))["id"]
    await author.expect("media.ready")
    return file


@pytest_asyncio.fixture(loop_scope="session")
async def operator(cluster: Cluster):
    async with moderating(cluster) as found:
        yield found


RULE = "'{word}' in words && 'minors' in similar_to_removed"


@pytest.mark.parametrize("what", ["media", "post"])
async def test_a_look_alike_of_a_removed_picture_is_refused(
    cluster: Cluster, person, admin: Person, operator, marker, lanes, what  # noqa: F811
):  # fmt: skip
    alice, bob = await person("alice"), await person("bob", node="b")
    bad, good = picture(marker), picture(f"{marker} else")
    file = await uploaded(alice, encoded(bad))
    post = (await alice.call("post.create", text="x", media_ids=[file]))["id"]
    alike, other = await uploaded(bob, altered(bad)), await uploaded(bob, encoded(good))
    again = await uploaded(bob, altered(bad))
    async with in_force(admin, cluster, RULE.format(word=marker), surfaces=["post", "comment"]):
        decision = await operator.decide(what, file if what == "media" else post, "remove", reason="minors")
        refused = await bob.refused("post.create", text=f"{marker} look", media_ids=[alike])
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["media_ids"])
        mine = (await bob.call("post.create", text=f"{marker} look", media_ids=[other]))["id"]
        refused = await bob.refused("comment.create", post_id=mine, text=marker, media_ids=[alike])
        assert refused.fields == ["media_ids"]
        await alice.call("post.delete", post_id=post)  # the hash stays
        await bob.refused("post.create", text=f"{marker} look", media_ids=[alike])
        await operator.undo(decision)
        await bob.call("post.create", text=f"{marker} look", media_ids=[alike])
        decision = await operator.decide("post", mine, "remove", reason="spam")
        await bob.call("comment.create", post_id=mine, text=marker, media_ids=[again])  # not for this reason
        await operator.undo(decision)


async def test_a_rule_is_tried_on_pictures_of_the_day(
    cluster: Cluster, person, admin: Person, operator, marker, lanes  # noqa: F811
):  # fmt: skip
    alice, bob = await person("alice"), await person("bob", node="b")
    file = await uploaded(alice, encoded(picture(marker)))
    alike = await uploaded(bob, altered(picture(marker)))
    for text, files in ((marker, [alike]), (f"{marker} without", None)):
        await bob.call("post.create", text=text, media_ids=files)
    post = (await alice.call("post.create", text="x", media_ids=[file]))["id"]
    expression = RULE.format(word=marker)
    assert (await admin.call("rule.dry_run", expression=expression, surfaces=["post"]))["hits"] == 0
    decision = await operator.decide("post", post, "remove", reason="minors")
    tried = await admin.call("rule.dry_run", expression=expression, surfaces=["post"])
    assert [each["text"] for each in tried["samples"]] == [marker]
    await operator.undo(decision)


async def test_a_look_alike_that_is_processed_after_it_was_posted_opens_a_case(
    cluster: Cluster, person, operator, marker  # noqa: F811
):  # fmt: skip
    alice, bob = await person("alice"), await person("bob", node="b")
    async with running_lanes(cluster):
        file = await uploaded(alice, encoded(picture(marker)))
    post = (await alice.call("post.create", text="x", media_ids=[file]))["id"]
    decision = await operator.decide("post", post, "remove", reason="sexual")
    posts = []
    for content in (altered(picture(marker)), encoded(picture(f"{marker} else"))):
        waiting = (await upload(bob, content, content_type="image/png" if content[0] == 0x89 else "image/jpeg"))["id"]
        posts.append((await bob.call("post.create", text="y", media_ids=[waiting]))["id"])
    async with running_lanes(cluster):
        for _ in posts:
            await bob.expect("media.ready")
    opened = "SELECT target_id::text, source, reason FROM cases WHERE target_id = ANY ($1)"
    assert await ask(cluster, opened, list(map(int, posts))) == [(posts[0], "classifier", "sexual")]
    await operator.undo(decision)


async def test_a_picture_that_is_processed_after_its_removal_is_remembered(
    cluster: Cluster, person, operator, marker  # noqa: F811
):  # fmt: skip
    alice = await person("alice")
    file = (await upload(alice, encoded(picture(marker))))["id"]
    post = (await alice.call("post.create", text="x", media_ids=[file]))["id"]
    decision = await operator.decide("post", post, "remove", reason="minors")
    await cluster.settle()
    async with running_lanes(cluster):
        await alice.expect("media.ready")
    remembered = "SELECT reason FROM removed_hashes WHERE media_id = $1"
    assert await ask(cluster, remembered, int(file)) == [("minors",)]
    await operator.undo(decision)
    assert await ask(cluster, remembered, int(file)) == []


async def test_all_hashes_within_ten_bits_are_found_and_no_others(cluster: Cluster):
    """By parts of the hash, as by looking at each."""
    dice = random.Random(7)
    asked = dice.getrandbits(64)
    kept = []
    for number in range(400):
        flipped = sum(1 << bit for bit in dice.sample(range(64), number % 20))
        kept.append((number + 1, asked ^ flipped ^ dice.choice((0, MIRRORED))))
    connection = await cluster.owner()
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("DELETE FROM removed_hashes")
    await connection.executemany(
        """INSERT INTO removed_hashes (target_type, target_id, target_seq, media_id, reason, hash, parts)
        SELECT 'media', $1::bigint, 0, $1, $1::text, h, parts_of_hash(h) FROM hash_of($2) h""",
        [(number, value.to_bytes(8, "big")) for number, value in kept],
    )
    near = "SELECT reason FROM reasons_near(hash_of($1), 0) near (reason)"
    found = {int(row[0]) for row in await connection.fetch(near, asked.to_bytes(8, "big"))}
    await transaction.rollback()
    await connection.close()
    near_either = {
        number for number, value in kept
        if min((value ^ asked).bit_count(), (value ^ asked ^ MIRRORED).bit_count()) <= NEAR
    }  # fmt: skip
    assert found == near_either
    assert len(found) == 220
