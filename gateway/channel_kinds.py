"""Every kind of channel that this gateway serves. A new kind is one record in its domain, and one line here."""

from channels.kinds import Kinds
from domain.chat_channels import CHAT
from domain.moderation_channel import MODERATION
from domain.post_channels import AUTHOR, POST
from domain.subject_channels import COMMENT, FILE, MESSAGE, PERSON
from presence.presence_channel import PRESENCE
from stage.room_channel import LIVE_ROOM

KINDS = Kinds(
    POST,
    AUTHOR,
    LIVE_ROOM,
    PRESENCE,
    CHAT,
    MODERATION,
    COMMENT,
    MESSAGE,
    FILE,
    PERSON,
)
