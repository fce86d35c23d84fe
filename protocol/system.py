"""Messages about the service itself."""

from typing import Any

import msgspec


class Pong(msgspec.Struct, frozen=True):
    server_time: str


class MethodItem(msgspec.Struct, frozen=True):
    name: str
    summary: str
    anonymous: bool
    limit: str | None
    request: dict[str, Any]
    result: dict[str, Any]


class MethodList(msgspec.Struct, frozen=True):
    """The method table; `request` and `result` are JSON Schemas whose references point into `components`."""

    items: list[MethodItem]
    components: dict[str, Any]
