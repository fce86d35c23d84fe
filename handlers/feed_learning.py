"""Explain why a feed shows a post, hide posts, and delete what the feed has learnt about the caller."""

from domain import ranking, visibility
from handlers.call import Call
from handlers.feed import stored_ids
from protocol import errors
from protocol.feed import FeedSource, HideFromFeed, RankingTerms, WhyInFeed
from protocol.posts import PostRef
from protocol.rpc import NoArguments, Nothing, methods
from senders.texts import feed_reason_text
from storage import feed_ranking, posts
from storage.database import Transaction
from storage.feeds import LONGEST_READING


@methods.rpc("feed.why", reads=True)
async def explain_post(call: Call, request: PostRef, tx: Transaction) -> WhyInFeed:
    """The terms of a post in the caller's ranked feed, their inputs, and the source of the post."""
    post_id = int(request.post_id)
    rows = await posts.load(tx, [post_id])
    if not rows or not visibility.may_see(rows[0], call.viewer.id):
        raise errors.not_found("post")
    stored = await stored_ids(call, tx)
    recommended = await call.services.recommendations.of(tx, call.viewer.id)
    found = await feed_ranking.explain(tx, stored, list(recommended), LONGEST_READING, call.services.now(), post_id)
    if found is None:  # hidden since it was loaded
        raise errors.not_found("post")
    source: FeedSource | None = visibility.feed_reason(rows[0], call.viewer.id)
    if source is None and post_id in recommended and visibility.may_recommend(rows[0], call.viewer.id):
        source = recommended[post_id].source
    locale = await feed_ranking.locale(tx)
    return WhyInFeed(
        terms=RankingTerms(
            affinity=round(found.affinity, 4),
            quality=round(found.quality, 4),
            freshness=round(found.freshness, 4),
            diversity=round(found.diversity, 4),
            negatives=round(found.negatives, 4),
        ),
        score=round(found.score, 4),
        source=source,
        reasons=[feed_reason_text(locale, reason) for reason in ranking.reasons(found)],
    )


@methods.rpc("feed.hide")
async def hide_post(call: Call, request: HideFromFeed, tx: Transaction) -> Nothing:
    """Hide a post from the caller's feeds, and show less like it. Three of a topic leave it out of ranked feeds."""
    if not await feed_ranking.hide(tx, int(request.post_id), request.reason):
        raise errors.not_found("post")
    return Nothing()


@methods.rpc("feed.reset")
async def forget_learnt(call: Call, request: NoArguments, tx: Transaction) -> Nothing:
    """Delete everything that ranked feeds have learnt from the caller: affinities, interests, hidden and seen posts."""
    await feed_ranking.forget(tx)
    await call.services.seen.forget(call.viewer.id)
    await call.services.recommendations.forget(call.viewer.id)
    return Nothing()
