"""Reactions: like, love, laugh, sad and angry, to posts and comments."""

from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from protocol import errors
from protocol.events import ReactionSetEvent, ReactionUnsetEvent
from protocol.limits import Limit
from protocol.reactions import ListReactions, ReactionPage, SetReaction, UnsetReaction
from protocol.rpc import Nothing, methods
from storage import present, reactions
from storage.database import Transaction


@methods.rpc("reaction.set", limit=Limit("reaction", "100/hour", "reaction.set by user"))
async def set_reaction(call: Call, request: SetReaction, tx: Transaction) -> Nothing:
    """React to a post or comment, in place of an earlier reaction. Repeating it changes nothing."""
    target_id = int(request.target_id)
    outcome = await reactions.set_kind(
        tx,
        id=call.services.ids.mint(),
        target_type=request.target_type,
        target_id=target_id,
        user_id=call.viewer.id,
        kind=request.kind,
    )
    if outcome is None:
        raise errors.not_found(request.target_type)
    if outcome.is_new:
        event = ReactionSetEvent(
            target_type=request.target_type,
            target_id=target_id,
            post_id=outcome.post_id,
            user_id=call.viewer.id,
            kind=request.kind,
        )
        await call.services.outbox.add(tx, event)
    return Nothing()


@methods.rpc("reaction.unset")
async def unset_reaction(call: Call, request: UnsetReaction, tx: Transaction) -> Nothing:
    """Withdraw a reaction, also from what the caller no longer sees. Repeating it changes nothing."""
    target_id = int(request.target_id)
    if await reactions.unset(tx, request.target_type, target_id, call.viewer.id):
        event = ReactionUnsetEvent(target_type=request.target_type, target_id=target_id, user_id=call.viewer.id)
        await call.services.outbox.add(tx, event)
    return Nothing()


@methods.rpc("reaction.list", reads=True)
async def list_reactions(call: Call, request: ListReactions, tx: Transaction) -> ReactionPage:
    """Reactions to a post or comment, newest first, of one kind or of all."""
    target_id, limit = int(request.target_id), request.limit or DEFAULT_LIMIT
    if not await reactions.is_visible(tx, request.target_type, target_id):
        raise errors.not_found(request.target_type)
    scope = f"{request.target_type}:{request.target_id}:{request.kind or ''}"
    before = page_start(call, scope, request.cursor)
    kinds = [request.kind] if request.kind is not None else reactions.KINDS
    rows = await reactions.load_page(tx, request.target_type, target_id, kinds, before, limit)
    cursor = cursor_after(call, scope, [row["id"] for row in rows], limit)
    return ReactionPage(items=[present.reaction(row) for row in rows], next_cursor=cursor)
