"""Messages about keys of services, for admins."""

from typing import Annotated

import msgspec

from protocol.fields import Cursor, DeviceName, Id, PageSize, Request

MethodName = Annotated[str, msgspec.Meta(pattern=r"^[a-z]+\.[a-z_]+$", max_length=60)]


class CreateKey(Request, frozen=True):
    """`methods`: what the key may call; none of `auth`, `session`, `account` and `key`."""

    name: DeviceName
    methods: Annotated[list[MethodName], msgspec.Meta(min_length=1, max_length=100)]
    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 90


class ApiKey(msgspec.Struct, frozen=True):
    """`prefix`: the beginning of the key. `username`: of the admin who made it, and as whom it acts."""

    id: str
    name: str
    prefix: str
    methods: list[str]
    username: str
    created_at: str
    expires_at: str
    last_used_at: str | None
    revoked_at: str | None


class CreatedKey(msgspec.Struct, frozen=True):
    """`key` is shown only now: services send it in `auth` of CONNECT."""

    id: str
    key: str
    expires_at: str


class ListKeys(Request, frozen=True):
    cursor: Cursor | None = None
    limit: PageSize | None = None


class ApiKeyList(msgspec.Struct, frozen=True):
    items: list[ApiKey]
    next_cursor: str | None


class ApiKeyRef(Request, frozen=True):
    key_id: Id
