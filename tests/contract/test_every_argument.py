"""Every field of every method refuses what it cannot hold, by its name, in both codecs, before the handler runs."""

import itertools
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import aiohttp
import msgspec
import pytest

from protocol.errors import CallError
from protocol.rpc import Method, methods
from tests.cluster import Cluster
from tests.contract.test_bad_input import CODECS, Raw

# A required field can hold at least one of these, or one of its literals.
VALID = (
    "1", "abc", "abc@example.org", "12345678", "123456", "a long password", "🔥", "image/png", 1, False, ["1"], [1],
    ["post"], ["post.get"],
    [{"post_id": "1", "dwell_ms": 1}], "2026-01-01T00:00:00Z", "2000-01-01",
)  # fmt: skip
WRONG = (None, True, 7.5, "\x00", {"x": 1}, [[]])
TOO_LONG = ("x" * 30_000, ["1"] * 2_000)


def fields_of(method: Method) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.encode_name: field for field in msgspec.structs.fields(method.request)}


def accepts(method: Method, argument: dict[str, Any]) -> bool:
    try:
        msgspec.convert(argument, method.request)
    except (msgspec.ValidationError, CallError):
        return False
    return True


def literals(hint: Any) -> list[Any]:
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [value for inner in get_args(hint) for value in literals(inner)]


def smallest_argument(method: Method) -> dict[str, Any]:
    """Return an argument with only the required fields."""
    hints = get_type_hints(method.request, include_extras=True)
    required = {name: field for name, field in fields_of(method).items() if field.required}
    choices = ([*literals(hints[field.name]), *VALID] for field in required.values())
    arguments = (dict(zip(required, values, strict=True)) for values in itertools.product(*choices))
    return next(argument for argument in arguments if accepts(method, argument))


def bad_arguments(method: Method) -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Yield arguments that the method must refuse, each with the names that the refusal may give."""
    good = smallest_argument(method)
    yield {**good, "no_such_field": 1}, {"no_such_field"}
    for name, field in fields_of(method).items():
        if field.required:
            yield {key: value for key, value in good.items() if key != name}, {name}
        for value in (*WRONG, *TOO_LONG):
            argument = {**good, name: value}
            if not accepts(method, argument):
                # A packet that is larger than its fields can be is refused as a whole.
                yield argument, {name, "$"} if value in TOO_LONG else {name}


@pytest.mark.parametrize("codec", CODECS)
async def test_every_field_of_every_method_names_itself(cluster: Cluster, person, codec: str):
    alice = await person("alice")
    asked = 0
    async with aiohttp.ClientSession() as session:
        url = f"{cluster.url()}/socket.io/?EIO=4&transport=websocket"
        socket = Raw(await session.ws_connect(url, max_msg_size=0), codec)
        await socket.connect(alice.token)
        for method in methods:
            for argument, names in bad_arguments(method):
                error = (await socket.event(method.name, socket.encode(argument)))["error"]
                assert error["code"] == "INVALID_ARGUMENT", (method.name, argument)
                fields = {detail["field"].partition("[")[0].partition(".")[0] for detail in error["details"]}
                assert fields <= names, (method.name, argument, error)
                asked += 1
    assert asked > 10 * len(list(methods))
