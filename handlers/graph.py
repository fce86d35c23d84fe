"""The graph: follows and requests to follow, blocks, mutes, and lists of followers."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from channels.messages import FOR_GOOD, HidingChanged
from domain.post_channels import AUTHOR
from handlers.call import Call
from handlers.new_accounts import NEW_FOLLOW, count_new
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from protocol import errors
from protocol.events import BlockedEvent, Change, FollowChangedEvent, MuteChangedEvent, UnblockedEvent
from protocol.limits import Limit
from protocol.rpc import Nothing, methods
from protocol.users import (
    BlockUser,
    FollowResult,
    GraphMuted,
    GraphUnmuted,
    ListFollows,
    ListRequests,
    MuteUser,
    UnmuteUser,
    UserPage,
    UserRef,
)
from storage import graph, present, users
from storage.database import Transaction

LONGEST_MUTE = timedelta(days=3_650)


@methods.rpc("graph.follow", limit=Limit("follow", "400/24 hour", "graph.follow by user"), counts=(NEW_FOLLOW,))
async def follow(call: Call, request: UserRef, tx: Transaction) -> FollowResult:
    """Follow a user, or request to if the account is private. Repeating it changes nothing."""
    other = await _other(call, tx, request.user_id)
    if other["blocks"]:
        raise errors.failed_precondition("unblock the user first")
    pair = {"follower_id": call.viewer.id, "followee_id": other["id"]}
    status = await graph.follow(tx, id=call.services.ids.mint(), **pair)
    if status is None:
        standing = await graph.follow_status(tx, **pair)
        if standing is None:  # a block was committed since `_other` read
            raise errors.not_found("user")
        # The request was made while the account was private, and the account is public now: follow it at once.
        if standing == "pending" and not other["is_private"] and await graph.unfollow(tx, **pair, status="pending"):
            status = await graph.follow(tx, id=call.services.ids.mint(), **pair)
        if status is None:
            return FollowResult(status=standing)
    await count_new(call, NEW_FOLLOW)
    await _announce(call, tx, call.viewer.id, other["id"], "requested" if status == "pending" else "followed")
    return FollowResult(status=status)


@methods.rpc("graph.unfollow")
async def unfollow(call: Call, request: UserRef, tx: Transaction) -> Nothing:
    """Stop following a user, or withdraw the request. Repeating it changes nothing."""
    other_id = int(request.user_id)
    if await graph.unfollow(tx, call.viewer.id, other_id):
        await _announce(call, tx, call.viewer.id, other_id, "ended")
        call.after_commit(lambda: call.services.broadcaster.evict([call.viewer.id], other_id))
    return Nothing()


@methods.rpc("graph.accept")
async def accept(call: Call, request: UserRef, tx: Transaction) -> Nothing:
    """Accept a user's request to follow the caller. Repeating it changes nothing."""
    other_id = int(request.user_id)
    if not await graph.accept(tx, other_id, call.viewer.id):
        if await graph.follow_status(tx, other_id, call.viewer.id) != "active":
            raise errors.not_found("request")
        return Nothing()
    await _announce(call, tx, other_id, call.viewer.id, "accepted")
    return Nothing()


@methods.rpc("graph.reject")
async def reject(call: Call, request: UserRef, tx: Transaction) -> Nothing:
    """Reject a request to follow; its user is not notified. Repeating it changes nothing."""
    pair = {"follower_id": int(request.user_id), "followee_id": call.viewer.id}
    if not await graph.unfollow(tx, **pair, status="pending") and await graph.follow_status(tx, **pair) == "active":
        raise errors.not_found("request")
    return Nothing()


@methods.rpc("graph.requests", reads=True)
async def list_requests(call: Call, request: ListRequests, tx: Transaction) -> UserPage:
    """Users who request to follow the caller, newest first."""
    limit = request.limit or DEFAULT_LIMIT
    rows = await graph.list_requests(tx, call.viewer.id, page_start(call, "", request.cursor), limit)
    return await _page(call, tx, "", rows, limit)


@methods.rpc("graph.followers", reads=True)
async def list_followers(call: Call, request: ListFollows, tx: Transaction) -> UserPage:
    """The followers of a user, newest first."""
    user_id, limit = await _open_list(tx, request)
    scope = request.user_id
    rows = await graph.list_followers(tx, user_id, page_start(call, scope, request.cursor), limit)
    return await _page(call, tx, scope, rows, limit)


@methods.rpc("graph.following", reads=True)
async def list_following(call: Call, request: ListFollows, tx: Transaction) -> UserPage:
    """The users whom a user follows, newest first."""
    user_id, limit = await _open_list(tx, request)
    scope = request.user_id
    rows = await graph.list_following(tx, user_id, page_start(call, scope, request.cursor), limit)
    return await _page(call, tx, scope, rows, limit)


@methods.rpc("graph.block")
async def block(call: Call, request: BlockUser, tx: Transaction) -> Nothing:
    """Block a user: neither sees the other's posts, and the blocked user no longer finds the caller."""
    viewer_id, other_id = call.viewer.id, int(request.user_id)
    if other_id == viewer_id:
        raise errors.invalid("user_id", "is the caller's own id")
    # A user who blocks the caller can be blocked, although the caller cannot see that user. An id that does not exist
    # gets the same answer: otherwise the answer would reveal which case it is.
    if await graph.block(tx, viewer_id, other_id, request.reason):
        await call.services.outbox.add(tx, BlockedEvent(blocker_id=viewer_id, blocked_id=other_id))
        for one, other in ((viewer_id, other_id), (other_id, viewer_id)):
            hidden = HidingChanged([one], other, FOR_GOOD, FOR_GOOD)
            call.after_commit(partial(call.services.broadcaster.change_hiding, hidden))
            call.after_commit(partial(call.services.broadcaster.evict, [one], other))
            call.after_commit(partial(call.services.broadcaster.leave, [one], AUTHOR.channel(other)))
    return Nothing()


@methods.rpc("graph.unblock")
async def unblock(call: Call, request: UserRef, tx: Transaction) -> Nothing:
    """Remove a block. Follows and circles that it ended are not restored."""
    other_id = int(request.user_id)
    if await graph.unblock(tx, call.viewer.id, other_id):
        await call.services.outbox.add(tx, UnblockedEvent(blocker_id=call.viewer.id, blocked_id=other_id))
    return Nothing()


@methods.rpc("graph.mute")
async def mute(call: Call, request: MuteUser, tx: Transaction) -> Nothing:
    """Hide a user's posts or stories from the caller, until a time or for good. The user is not notified."""
    other = await _other(call, tx, request.user_id)
    now = call.services.now()
    if request.until is not None and not now < request.until < now + LONGEST_MUTE:
        raise errors.invalid("until", "is in the past, or more than ten years ahead")
    await graph.mute(tx, call.viewer.id, other["id"], request.kind, request.until)
    await call.services.outbox.add(tx, MuteChangedEvent(user_id=call.viewer.id, muted_id=other["id"]))
    call.push_to_own_devices(
        GraphMuted(
            id=f"graph.muted:{call.request_id}",
            user_id=request.user_id,
            kind=request.kind,
            until=present.optional_time(request.until),
        )
    )
    return Nothing()


@methods.rpc("graph.unmute")
async def unmute(call: Call, request: UnmuteUser, tx: Transaction) -> Nothing:
    """Remove a mute of one kind, or of all kinds."""
    other_id = int(request.user_id)
    await graph.unmute(tx, call.viewer.id, other_id, request.kind)
    await call.services.outbox.add(tx, MuteChangedEvent(user_id=call.viewer.id, muted_id=other_id))
    call.push_to_own_devices(
        GraphUnmuted(id=f"graph.unmuted:{call.request_id}", user_id=request.user_id, kind=request.kind)
    )
    return Nothing()


async def _other(call: Call, tx: Transaction, user_id: str) -> users.ProfileRow:
    """Another user. Raises NOT_FOUND for one whom the caller may not see, INVALID_ARGUMENT for the caller."""
    if int(user_id) == call.viewer.id:
        raise errors.invalid("user_id", "is the caller's own id")
    other = await users.load_one(tx, int(user_id))
    if other is None:
        raise errors.not_found("user")
    return other


async def _announce(call: Call, tx: Transaction, follower_id: int, followee_id: int, change: Change) -> None:
    event = FollowChangedEvent(follower_id=follower_id, followee_id=followee_id, change=change)
    await call.services.outbox.add(tx, event)


async def _open_list(tx: Transaction, request: ListFollows) -> tuple[int, int]:
    user_id = int(request.user_id)
    if not await graph.is_open(tx, user_id):
        raise errors.not_found("user")
    return user_id, request.limit or DEFAULT_LIMIT


async def _page(call: Call, tx: Transaction, scope: str, rows: Sequence[graph.FollowRow], limit: int) -> UserPage:
    """Users whom the caller may not see are left out, so a page may be short."""
    found = await users.load(tx, [row["user_id"] for row in rows])
    items = [present.user(found[row["user_id"]]) for row in rows if row["user_id"] in found]
    cursor = cursor_after(call, scope, [row["follow_id"] for row in rows], limit)
    return UserPage(items=items, next_cursor=cursor)
