"""The push services and the mail server that the settings switch on."""

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec

from gateway.settings import Settings, SettingsError
from protocol.devices import DeviceKind
from senders.apns import Apns, ApnsKey
from senders.email import Email, read_url
from senders.fcm import Fcm
from senders.google_token import ServiceAccount
from senders.sender import Sender
from senders.subscriptions import PushHosts
from senders.web_push import VapidKey, WebPush

T = TypeVar("T")


async def open_senders(settings: Settings) -> dict[DeviceKind, Sender]:
    """Return those that are configured. Raises SettingsError, which names the wrong setting."""
    opened: dict[DeviceKind, Sender] = {}
    try:
        for kind, build in BUILDERS.items():
            sender = build(settings)
            if sender is not None:
                opened[kind] = sender
    except SettingsError:
        for sender in opened.values():
            await sender.close()
        raise
    return opened


def build_vapid_key(settings: Settings) -> VapidKey | None:
    """Return the key of web pushes; None without one. Raises SettingsError."""
    return _checked("webpush_key", partial(VapidKey.read, *settings.webpush)) if settings.webpush else None


def _fcm(settings: Settings) -> Fcm | None:
    if not settings.fcm:
        return None
    account = _checked("fcm_service_account", partial(msgspec.json.decode, settings.fcm, type=ServiceAccount))
    return _checked("fcm_service_account", partial(Fcm, account, settings.fcm_url))


def _apns(settings: Settings) -> Apns | None:
    if not settings.apns:
        return None
    *key, topic = settings.apns
    return _checked("apns_key", partial(Apns, ApnsKey(*key), topic, settings.apns_url))


def _web_push(settings: Settings) -> WebPush | None:
    key = build_vapid_key(settings)
    return WebPush(key, PushHosts(settings.push_hosts)) if key else None


def _email(settings: Settings) -> Email | None:
    if not settings.smtp:
        return None
    url, sender, unsubscribe = settings.smtp
    return _checked("smtp_from", partial(Email, _checked("smtp_url", partial(read_url, url)), sender, unsubscribe))


BUILDERS: dict[DeviceKind, Callable[[Settings], Sender | None]] = {
    "fcm": _fcm,
    "apns": _apns,
    "webpush": _web_push,
    "email": _email,
}


def _checked(name: str, build: Callable[[], T]) -> T:
    try:
        return build()
    except (ValueError, msgspec.DecodeError) as error:  # their texts quote no secret
        raise SettingsError(f"DAIRA_{name.upper()} cannot be used: {error}") from None
