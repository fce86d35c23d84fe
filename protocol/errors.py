"""The catalogue of errors that a client may see.

`code` is one of gRPC's canonical codes (https://grpc.io/docs/guides/status-codes/). Code below the gateway
raises `CallError` through the functions here; the dispatcher alone turns it into a reply.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

Code = Literal[
    "INVALID_ARGUMENT",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "ABORTED",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "DEADLINE_EXCEEDED",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
    "INTERNAL",
]

# The same call, unchanged, may succeed later.
RETRYABLE: frozenset[Code] = frozenset({"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "UNAVAILABLE", "ABORTED"})


class Detail(msgspec.Struct, frozen=True):
    """A detail of an error names one field and its fault. `field` is `$` for the whole argument."""

    field: str
    reason: str


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `error` of an acknowledgement."""

    code: Code
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    details: tuple[Detail, ...] = ()
    request_id: str | None = None


class CallError(Exception):
    """An error whose message and details the client gets."""

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        details: tuple[Detail, ...] = (),
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code: Code = code
        self.message = message
        self.details = details
        self.retry_after_ms = retry_after_ms

    def body(self, request_id: str) -> ErrorBody:
        return ErrorBody(
            code=self.code,
            message=self.message,
            retryable=self.code in RETRYABLE,
            retry_after_ms=self.retry_after_ms,
            details=self.details,
            request_id=request_id,
        )


def invalid(field: str, reason: str) -> CallError:
    return CallError("INVALID_ARGUMENT", f"{field}: {reason}", details=(Detail(field, reason),))


def not_found(noun: str) -> CallError:
    """Also for what the viewer may not see, so that the answer does not reveal whether it exists."""
    return CallError("NOT_FOUND", f"there is no such {noun}")


def already_exists(field: str, reason: str) -> CallError:
    return CallError("ALREADY_EXISTS", f"{field}: {reason}", details=(Detail(field, reason),))


def failed_precondition(message: str) -> CallError:
    return CallError("FAILED_PRECONDITION", message)


def being_deleted(erase_at: str) -> CallError:
    """For an account that will be erased at that time. Only for a caller who knows the password."""
    return CallError(
        "FAILED_PRECONDITION",
        f"the account will be erased at {erase_at}: account.cancel_delete restores it",
        details=(Detail("erase_at", erase_at),),
    )


def second_factor_needed() -> CallError:
    """For a moderator whose session has not passed the second factor lately."""
    return CallError(
        "FAILED_PRECONDITION",
        "prove the second factor by auth.prove_second_factor; without one, begin with auth.enable_totp",
        details=(Detail("second_factor", "is to be proved"),),
    )


def permission_denied(message: str) -> CallError:
    """For an action that the viewer may not do, on what the viewer may see."""
    return CallError("PERMISSION_DENIED", message)


def role_needed(what: str, roles: Iterable[str], role: str) -> CallError:
    """roles: those that allow it. role: the one that was found."""
    return permission_denied(f"{what} needs the role {' or '.join(sorted(roles))}, not {role}")


def stale_version() -> CallError:
    return CallError("ABORTED", "it has changed since: load it again and repeat the call")


def exhausted(message: str, retry_after_ms: int) -> CallError:
    return CallError("RESOURCE_EXHAUSTED", message, retry_after_ms=retry_after_ms)


def unauthenticated(message: str = "sign in first") -> CallError:
    return CallError("UNAUTHENTICATED", message)


def unavailable(message: str = "a service that we need does not answer: try again") -> CallError:
    return CallError("UNAVAILABLE", message, retry_after_ms=1_000)


def overloaded(retry_after_ms: int) -> CallError:
    return CallError("UNAVAILABLE", "too much is going on: try again later", retry_after_ms=retry_after_ms)


def deadline_exceeded() -> CallError:
    return CallError("DEADLINE_EXCEEDED", "the call took too long and was cancelled")


def unimplemented(method: str) -> CallError:
    return CallError("UNIMPLEMENTED", f"there is no method {method[:64]!r}: system.methods lists them")


def internal() -> CallError:
    return CallError("INTERNAL", "something failed on our side: the request id finds it in our logs")
