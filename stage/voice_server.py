"""The API of LiveKit, which carries the voice of live rooms: who is connected, who must leave, who may speak.

Failures are logged and counted, not raised: `stage.voice` checks every room again within seconds.
"""

import asyncio
import time
from functools import partial

from aiohttp import ClientSession, TCPConnector
from livekit.api import LiveKitAPI
from livekit.protocol.models import ParticipantInfo, ParticipantPermission, TrackSource
from livekit.protocol.room import (
    DeleteRoomRequest,
    ListParticipantsRequest,
    ListRoomsRequest,
    RoomParticipantIdentity,
    UpdateParticipantRequest,
)

from protocol.fields import MAX_ID
from protocol.voice_tokens import VoiceGrant
from stage.livekit_requests import MOST_AT_ONCE, TIMEOUT_S, LiveKitRequests


class VoiceServer:
    """Rooms and users are named by their ids. Needs a running loop."""

    def __init__(self, url: str, api_key: str, api_secret: str) -> None:
        """url: the one that clients connect to; the API is at the same address, over HTTP."""
        self._session = ClientSession(connector=TCPConnector(limit=MOST_AT_ONCE))
        self._requests = LiveKitRequests("livekit")
        self._rooms = LiveKitAPI(url, api_key, api_secret, session=self._session).room

    async def close(self) -> None:
        await self._session.close()

    async def ping(self) -> None:
        """Raises one of FAILURES."""
        async with asyncio.timeout(TIMEOUT_S):
            await self._rooms.list_rooms(ListRoomsRequest(names=["0"]))

    async def rooms(self) -> list[int]:
        """The rooms that are named as ours are; the server may be shared with others."""
        found = await self._requests.settled("list_rooms", partial(self._rooms.list_rooms, ListRoomsRequest()))
        return [] if found is None else [room_id for room in found.rooms if (room_id := own_id(room.name)) is not None]

    async def participants(self, room_id: int) -> dict[str, VoiceGrant | None]:
        """Connected users by name, with their permissions; None for permissions that our tokens never grant.

        Without LiveKit's egress, which is in the room while it records.
        """
        request = ListParticipantsRequest(room=str(room_id))
        found = await self._requests.settled("list_participants", partial(self._rooms.list_participants, request))
        users = [each for each in found.participants if each.kind != ParticipantInfo.Kind.EGRESS] if found else []
        return {each.identity: _grant(each.permission) for each in users}

    async def permit(self, room_id: int, name: str, grant: VoiceGrant) -> None:
        """Set a user's permissions: mutes them, or lets them speak without a new token."""
        request = UpdateParticipantRequest(room=str(room_id), identity=name, permission=_permission(grant))
        await self._requests.settled("permit", partial(self._rooms.update_participant, request))

    async def remove(self, room_id: int, name: str) -> None:
        """Disconnect the user."""
        # LiveKit Cloud also refuses tokens issued before `revoke_token_ts`. Its default is a minute from now, in which
        # nobody who was removed could return.
        request = RoomParticipantIdentity(room=str(room_id), identity=name, revoke_token_ts=int(time.time()))
        await self._requests.settled("remove", partial(self._rooms.remove_participant, request))

    async def delete(self, room_id: int) -> None:
        """Delete the room, which removes everybody."""
        await self._requests.settled("delete", partial(self._rooms.delete_room, DeleteRoomRequest(room=str(room_id))))


def own_id(name: str) -> int | None:
    """The id of the room or user with that name; None for names that others use on the same server."""
    if not (name.isascii() and name.isdecimal() and len(name) <= len(str(MAX_ID))):
        return None
    found = int(name)
    return found if found <= MAX_ID and str(found) == name else None


def _permission(grant: VoiceGrant) -> ParticipantPermission:
    return ParticipantPermission(
        can_publish=grant.can_publish,
        can_publish_sources=[TrackSource.MICROPHONE] if grant.can_publish else [],
        can_subscribe=grant.can_subscribe,
        can_publish_data=grant.can_publish_data,
        can_update_metadata=grant.can_update_own_metadata,
    )


def _grant(permission: ParticipantPermission) -> VoiceGrant | None:
    grant = VoiceGrant(
        can_publish=permission.can_publish,
        can_subscribe=permission.can_subscribe,
        can_publish_data=permission.can_publish_data,
        can_update_own_metadata=permission.can_update_metadata,
    )
    return grant if _permission(grant) == permission else None
