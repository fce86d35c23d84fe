"""Tokens of devices, as clients send them: their form, and the form that is stored."""

import re

import msgspec

from protocol import errors
from protocol.devices import DeviceKind
from senders.subscriptions import PushHosts, Subscription, read_subscription

_FORMS = {
    "fcm": (re.compile(r"[A-Za-z0-9_:.-]{16,1024}"), "is not a registration token"),
    # It becomes a part of a path.
    "apns": (re.compile(r"(?:[0-9a-fA-F]{2}){32,100}"), "is not a device token in hexadecimal"),
}


def stored_token(kind: DeviceKind, token: str, hosts: PushHosts) -> str:
    """Return the one form in which a token is stored. Raises INVALID_ARGUMENT for what cannot be one of that kind."""
    if kind == "webpush":
        try:
            return _encoded(read_subscription(token, hosts))
        except ValueError as error:
            raise errors.invalid("token", str(error)) from None
    form, fault = _FORMS.get(kind, (None, ""))
    if form is not None and not form.fullmatch(token):
        raise errors.invalid("token", fault)
    return token.lower() if kind == "apns" else token


def _encoded(subscription: Subscription) -> str:
    # Subscriptions that differ only in white space or in the order of names become one text.
    return msgspec.json.encode(subscription).decode()
