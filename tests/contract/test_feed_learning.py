"""Ranked feeds learn from what users do: each test looks at the outcome, through clients."""

import asyncio
from statistics import median
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.people import Person


async def ranked(reader: Person, **arguments: Any) -> list[dict[str, Any]]:
    """All items of one page, without recommendations."""
    return await reader.own_feed(mode="ranked", **arguments)


async def follow_authors(cluster: Cluster, person: Any, authors: int, texts: list[str]) -> tuple[Person, list[Person]]:
    """A reader, and authors whom the reader follows. Each text is a post of the next author."""
    reader = await person("reader", node="b")
    writers = [await person(f"author{number}") for number in range(authors)]
    for writer in writers:
        await reader.call("graph.follow", user_id=writer.id)
    for number, text in enumerate(texts):
        await writers[number % authors].call("post.create", text=text)
    await cluster.settle(reader)
    return reader, writers


def ranks(items: list[dict[str, Any]], author: Person) -> list[int]:
    return [place for place, item in enumerate(items) if item["post"]["author"]["id"] == author.id]


@pytest.mark.parametrize("act", ["reaction", "comment", "save", "share", "visits", "dwell"])
async def test_what_a_reader_does_raises_the_median_rank_of_the_author(cluster: Cluster, person, act: str):
    reader, writers = await follow_authors(cluster, person, 4, [f"post {number}" for number in range(16)])
    before = await ranked(reader)
    favourite = max(writers, key=lambda writer: median(ranks(before, writer)))
    posts = [item["post"]["id"] for item in before if item["post"]["author"]["id"] == favourite.id]
    for post_id in posts[:2]:
        match act:
            case "reaction":
                await reader.call("reaction.set", target_type="post", target_id=post_id, kind="love")
            case "comment":
                await reader.call("comment.create", post_id=post_id, text="جميل")
            case "save":
                await reader.call("save.add", post_id=post_id)
            case "share":
                await reader.call("share.create", post_id=post_id)
            case "visits":
                await reader.call("user.get", user_id=favourite.id)
                await cluster.node_b.parts.services.visits.flush()
            case "dwell":
                await reader.call("view.report", views=[{"post_id": post_id, "dwell_ms": 60_000}])
                await reader.call("view.report", views=[{"post_id": post_id, "dwell_ms": 60_000}])
    await cluster.settle(reader)
    after = await ranked(reader)
    seen = posts[:2] if act == "dwell" else []
    assert {item["post"]["id"] for item in after} == {item["post"]["id"] for item in before} - {*seen}
    assert median(ranks(after, favourite)) < median(ranks(before, favourite))


@pytest.mark.parametrize("reason", ["topic", "not_interested"])
@pytest.mark.parametrize("topic", ["#كورة النتيجة", "الزمالك ماتش"])
async def test_three_hides_of_a_topic_lower_its_share_of_the_next_page(
    cluster: Cluster, person, topic: str, reason: str
):
    others = ["وصفة كشري", "قصيدة عامية", "سفر إلى دهب", "رواية بوليسية", "حفلة موسيقى", "صورة غروب"]
    texts = [f"{topic} رقم {number}" if number % 2 else others[number % 6] for number in range(40)]
    reader, _ = await follow_authors(cluster, person, 5, texts)

    def about(items: list[dict[str, Any]]) -> list[str]:
        return [item["post"]["id"] for item in items if topic in item["post"]["text"]]

    before = await ranked(reader, limit=20)
    share = len(about(before)) / len(before)
    assert share >= 0.25
    for post_id in about(before)[:3]:
        await reader.call("feed.hide", post_id=post_id, reason=reason)
    after = await ranked(reader, limit=20)
    assert len(about(after)) / len(after) <= 0.2 * share
    assert len(after) >= 15  # the page is filled with other posts


async def test_hides_also_change_the_next_page_of_a_reading(cluster: Cluster, person):
    reader, _ = await follow_authors(
        cluster, person, 4, [f"#كورة {number}" if number % 2 else "شعر" for number in range(32)]
    )
    first = await reader.call("feed.get", limit=12)
    hidden = [item["post"]["id"] for item in first["items"] if "#كورة" in item["post"]["text"]][:3]
    for post_id in hidden:
        await reader.call("feed.hide", post_id=post_id, reason="topic")
    rest = await ranked(reader, cursor=first["next_cursor"])
    assert rest
    assert not [item for item in rest if "#كورة" in item["post"]["text"]]


async def test_a_hidden_post_leaves_both_feeds_and_its_shares_too(cluster: Cluster, person):
    reader, writers = await follow_authors(cluster, person, 2, ["one", "two"])
    post_id = (await ranked(reader))[0]["post"]["id"]
    for writer in writers:
        await writer.call("share.create", post_id=post_id, text="look")
    await cluster.settle(reader)
    await reader.call("feed.hide", post_id=post_id, reason="seen_too_often")
    for mode in ("ranked", "latest"):
        items = (await reader.call("feed.get", mode=mode))["items"]
        assert len([item for item in items if item["reason"] == "follow"]) == 1
        assert post_id not in {item["post"]["id"] for item in items}
    assert (await reader.call("post.get", post_id=post_id))["id"] == post_id  # only feeds hide it


async def test_hiding_authors_lowers_them_and_a_reset_forgets_all(cluster: Cluster, person):
    reader, writers = await follow_authors(cluster, person, 3, [f"post {number}" for number in range(12)])
    loved, hated = writers[:2]
    for item in await ranked(reader):
        if item["post"]["author"]["id"] == loved.id:
            await reader.call("reaction.set", target_type="post", target_id=item["post"]["id"], kind="love")
    [one, other, *_] = [item["post"]["id"] for item in await ranked(reader) if item["post"]["author"]["id"] == hated.id]
    await reader.call("feed.hide", post_id=one, reason="author")
    await cluster.settle(reader)
    items = await ranked(reader)
    assert items[0]["post"]["author"]["id"] == loved.id
    assert min(ranks(items, hated)) > max(ranks(items, loved))
    await reader.call("feed.hide", post_id=other, reason="author")
    assert ranks(await ranked(reader), hated) == []
    assert len((await reader.call("feed.get", mode="latest"))["items"]) == 10
    await reader.call("feed.reset")
    await reader.call("feed.reset")
    items = await ranked(reader)
    assert len(items) == 12
    why = await asyncio.gather(*(reader.call("feed.why", post_id=item["post"]["id"]) for item in items))
    assert len({each["terms"]["affinity"] for each in why}) == 1
    assert {each["terms"]["negatives"] for each in why} == {0}


async def test_posts_that_a_reader_glances_at_lower_their_author(cluster: Cluster, person):
    reader, writers = await follow_authors(cluster, person, 2, [f"post {number}" for number in range(16)])
    items = await ranked(reader)
    skipped = next(writer for writer in writers if writer.id == items[0]["post"]["author"]["id"])
    posts = [item["post"]["id"] for item in items if item["post"]["author"]["id"] == skipped.id]
    await reader.call("view.report", views=[{"post_id": post_id, "dwell_ms": 200} for post_id in posts[:6]])
    await cluster.settle(reader)
    after = await ranked(reader)
    assert after[0]["post"]["author"]["id"] != skipped.id
    why = await reader.call("feed.why", post_id=posts[-1])
    assert 0 < why["terms"]["negatives"] < 1


async def test_why_gives_the_terms_the_score_the_source_and_reasons(cluster: Cluster, person):
    reader, _ = await follow_authors(cluster, person, 1, ["hello"])
    [item] = await ranked(reader)
    why = await reader.call("feed.why", post_id=item["post"]["id"])
    terms = why["terms"]
    assert terms.keys() == {"affinity", "quality", "freshness", "diversity", "negatives"}
    assert all(0 <= value <= 1 for value in terms.values())
    score = 0.35 * (terms["affinity"] + terms["quality"]) + 0.15 * terms["freshness"]
    score += 0.10 * terms["diversity"] - 0.40 * terms["negatives"]
    assert why["score"] == pytest.approx(score, abs=1e-3)
    assert why["score"] == pytest.approx(item["score"], abs=1e-3)
    assert (why["source"], item["source"]) == ("follow", "follow")
    assert "أنت تتابع صاحب المنشور" in why["reasons"]
    owner = await cluster.owner()
    await owner.execute(
        "INSERT INTO accounts (user_id, email, email_key, locale) VALUES ($1, $2, $2, 'en-GB')"
        " ON CONFLICT (user_id) DO UPDATE SET locale = excluded.locale",
        int(reader.id), f"{reader.name}@example.org",
    )  # fmt: skip
    await owner.close()
    assert "You follow the author" in (await reader.call("feed.why", post_id=item["post"]["id"]))["reasons"]
    own = await reader.call("post.create", text="mine")
    assert (await reader.call("feed.why", post_id=own["id"]))["source"] is None


@pytest.mark.parametrize("hides", ["graph.mute", "graph.block"])
async def test_why_does_not_count_what_users_did_whom_the_caller_hides(cluster: Cluster, person, hides: str):
    reader, _ = await follow_authors(cluster, person, 1, ["hello"])
    foes = [await person(f"foe{number}") for number in range(3)]
    [item] = await ranked(reader)
    post_id = item["post"]["id"]
    for foe in foes:
        await foe.call("reaction.set", target_type="post", target_id=post_id, kind="love")
        await foe.call("comment.create", post_id=post_id, text="رائع")
        await foe.call("save.add", post_id=post_id)
        await foe.call("share.create", post_id=post_id)
    await cluster.settle(reader)
    before = await reader.call("feed.why", post_id=post_id)
    for foe in foes:
        await reader.call(hides, user_id=foe.id)
    after = await reader.call("feed.why", post_id=post_id)
    counts = (await reader.call("post.get", post_id=post_id))["counts"]
    assert (sum(counts["reactions"].values()), counts["comments"]) == (0, 0)
    assert before["terms"]["quality"] > after["terms"]["quality"] == 0.5
    popular = "كثيرون ممن رأوا المنشور أكملوه أو تفاعلوا معه"
    assert popular in before["reasons"]
    assert popular not in after["reasons"]


async def test_why_and_hide_know_only_what_the_caller_may_see(cluster: Cluster, person):
    reader, author = await person("reader"), await person("author")
    post = (await author.call("post.create", text="x", visibility="followers"))["id"]
    for method, more in (("feed.why", {}), ("feed.hide", {"reason": "spam"})):
        for post_id in (post, "1"):
            assert (await reader.refused(method, post_id=post_id, **more)).code == "NOT_FOUND"
    await reader.call("graph.follow", user_id=author.id)
    assert (await reader.call("feed.why", post_id=post))["source"] == "follow"
    await reader.call("graph.mute", user_id=author.id, kind="posts")
    assert (await reader.call("feed.why", post_id=post))["source"] is None  # a muted author's posts are still open
    await author.call("graph.block", user_id=reader.id)
    assert (await reader.refused("feed.why", post_id=post)).code == "NOT_FOUND"


async def test_filters(cluster: Cluster, person):
    reader, [creator, _] = await follow_authors(cluster, person, 2, ["one", "two", "three"])
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET role = 'creator' WHERE id = $1", int(creator.id))
    await owner.close()
    for mode in ("ranked", "latest"):
        items = await reader.own_feed(mode=mode, creators_only=True)
        assert [item["post"]["author"]["id"] for item in items] == [creator.id] * 2
        assert await reader.call("feed.get", mode=mode, sponsored_only=True) == {"items": [], "next_cursor": None}
        first = await reader.call("feed.get", mode=mode, creators_only=True, limit=1)
        refused = await reader.refused("feed.get", mode=mode, cursor=first["next_cursor"])
        assert refused.fields == ["cursor"]  # of another order
