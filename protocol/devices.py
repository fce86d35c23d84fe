"""Messages about devices that are notified while their user is offline."""

from typing import Literal

import msgspec

from protocol.fields import PushToken, Request

DeviceKind = Literal["fcm", "apns", "webpush", "email"]


class DeviceRef(Request, frozen=True):
    """`token` is the registration token of FCM, the device token of APNs in hexadecimal, the JSON of a browser's
    PushSubscription, or the account's e-mail address.
    """

    kind: DeviceKind
    token: PushToken


class PushDevice(msgspec.Struct, frozen=True):
    """`session_id` is null for e-mail, which belongs to the account."""

    id: str
    kind: DeviceKind
    session_id: str | None
    created_at: str


class PushDeviceList(msgspec.Struct, frozen=True):
    """`webpush_key` is the `applicationServerKey` that browsers subscribe with; null if no web pushes are sent."""

    items: list[PushDevice]
    webpush_key: str | None
