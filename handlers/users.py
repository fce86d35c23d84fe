"""Users: read and change profiles."""

from msgspec import UNSET

from domain.ages import ADULT
from handlers.call import Call
from handlers.screening import screen, settle
from protocol import errors
from protocol.events import AccessNarrowedEvent, FollowChangedEvent
from protocol.rpc import NoArguments, methods
from protocol.users import GetUser, Governorate, ListUsers, OwnUser, UpdateUser, User, UserList
from storage import accounts, consents, graph, media, present, users
from storage.database import Transaction


@methods.rpc("user.me", reads=True)
async def me(call: Call, request: NoArguments, tx: Transaction) -> OwnUser:
    """The caller's own profile."""
    return await _load_own(tx, call.viewer.id)


@methods.rpc("user.get", reads=True)
async def get_user(call: Call, request: GetUser, tx: Transaction) -> User:
    """A profile, by id or by username."""
    if (request.user_id is None) == (request.username is None):
        raise errors.invalid("user_id", "give either user_id or username")
    if request.user_id is not None:
        user_id: int | None = int(request.user_id)
    else:
        user_id = await users.id_of(tx, request.username or "")
    if user_id is None:
        raise errors.not_found("user")
    found = await _load(tx, user_id)
    call.services.visits.note(call.viewer.id, user_id)
    return found


@methods.rpc("user.list", reads=True)
async def list_users(call: Call, request: ListUsers, tx: Transaction) -> UserList:
    """Profiles in the order of the requested ids, without users whom the caller may not see."""
    ids = list(dict.fromkeys(map(int, request.user_ids)))
    found = await users.load(tx, ids)
    return UserList(items=[present.user(found[user_id]) for user_id in ids if user_id in found])


@methods.rpc("user.update")
async def update_user(call: Call, request: UpdateUser, tx: Transaction) -> OwnUser:
    """Change the caller's profile. Making a private account public accepts all requests to follow it."""
    viewer_id = call.viewer.id
    is_private = None if request.is_private is UNSET else request.is_private
    if is_private is not None:
        await users.hold_privacy(tx, viewer_id)
    before = await _load(tx, viewer_id)
    if is_private is False and before.is_private and await accounts.is_minor(tx, viewer_id):
        raise errors.failed_precondition(f"accounts of users below {ADULT} are private")
    avatar_url = UNSET if request.avatar_media_id is UNSET else await _use_avatar(call, tx, request.avatar_media_id)
    texts = [(name, text) for name in ("display_name", "bio") if isinstance(text := getattr(request, name), str)]
    verdict = await screen(call, tx, "profile", call.services.ids.mint(), texts, is_edit=True) if texts else None
    await users.update(
        tx,
        viewer_id,
        display_name=None if request.display_name is UNSET else request.display_name or "",
        bio=None if request.bio is UNSET else request.bio or "",
        is_private=is_private,
        avatar_url=avatar_url,
        presence_audience=None if request.presence_audience is UNSET else request.presence_audience,
    )
    await settle(call, tx, verdict, "user", viewer_id)
    if request.governorate is not UNSET and not await accounts.set_governorate(tx, viewer_id, request.governorate):
        raise errors.not_found("account")  # a user for load tests has none
    if request.governorate is not UNSET:
        await _note_location(call, tx, request.governorate)
    if is_private is False:
        for follower_id in await graph.accept_all(tx, viewer_id):
            event = FollowChangedEvent(follower_id=follower_id, followee_id=viewer_id, change="accepted")
            await call.services.outbox.add(tx, event)
    if is_private and not before.is_private:
        await call.services.outbox.add(tx, AccessNarrowedEvent(owner_id=viewer_id, user_ids=()))
        call.after_commit(lambda: call.services.broadcaster.close(viewer_id, "all"))
    elif request.presence_audience is not UNSET:
        await call.services.outbox.add(tx, AccessNarrowedEvent(owner_id=viewer_id, user_ids=(), to="presence"))
        call.after_commit(lambda: call.services.broadcaster.close(viewer_id, "presence"))
    return await _load_own(tx, viewer_id)


async def _note_location(call: Call, tx: Transaction, governorate: Governorate | None) -> None:
    """A user who states a governorate agrees to its use; removing it withdraws that."""
    if governorate is None:
        await consents.withdraw(tx, call.services.ids.mint(), "location")
    else:
        await consents.give(tx, call.services.ids.mint(), "location", call.services.terms_version)


async def _use_avatar(call: Call, tx: Transaction, media_id: str | None) -> str | None:
    """Use the file in the place of the avatar before, which is deleted. Returns its URL. Raises INVALID_ARGUMENT."""
    viewer_id = call.viewer.id
    own = await media.load_own(tx, int(media_id), viewer_id) if media_id is not None else None
    if own is None or (own["target_type"], own["target_id"]) != ("user", viewer_id):  # not a repetition
        asked = [] if media_id is None else [int(media_id)]
        if await media.use(tx, asked, "user", viewer_id):
            raise errors.invalid("avatar_media_id", "is not a processed image of yours that is not used yet")
    return None if own is None else call.services.media.avatar_url(own)


async def _load(tx: Transaction, user_id: int) -> User:
    row = await users.load_one(tx, user_id)
    if row is None:
        raise errors.not_found("user")
    return present.user(row)


async def _load_own(tx: Transaction, user_id: int) -> OwnUser:
    found = await users.load_own(tx, user_id)
    if found is None:
        raise errors.not_found("user")
    return present.own_user(*found)
