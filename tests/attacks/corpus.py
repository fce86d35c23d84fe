"""Frames that are as expensive as possible for the server, of any size."""

from collections.abc import Callable
from typing import NamedTuple

import msgpack


class Hostile(NamedTuple):
    """frames(n) returns frames of about n bytes: text for the default parser, bytes for MessagePack."""

    codec: str
    frames: Callable[[int], list[str | bytes]]


def call(method: str, argument: str) -> list[str | bytes]:
    return [f'421["{method}",{argument}]']


def packed(method: str, argument: bytes) -> list[str | bytes]:
    return [b"\x84\xa4type\x02\xa4data\x92" + msgpack.packb(method) + argument + b"\xa3nsp\xa1/\xa2id\x01"]


def array(items: int) -> bytes:
    return b"\xdd" + items.to_bytes(4, "big")


def table(items: int) -> bytes:
    return b"\xdf" + items.to_bytes(4, "big")


LOGIN = b"\x83\xa5email\xa7a@b.org\xa8password\xa8passw0rd\xa6device"

HOSTILE = {
    "a flat array of numbers": Hostile("json", lambda n: call("system.ping", "[" + "0," * (n // 2) + "0]")),
    "many arguments": Hostile("json", lambda n: call("system.ping", "0," * (n // 2) + "0")),
    "empty arrays": Hostile("json", lambda n: call("system.ping", "[" + "[]," * (n // 3) + "0]")),
    "arrays in arrays": Hostile("json", lambda n: call("system.ping", "[" * (n // 2) + "]" * (n // 2))),
    "ids": Hostile("json", lambda n: call("user.list", '{"user_ids":[' + '"1",' * (n // 4) + '"1"]}')),
    "unknown fields": Hostile("json", lambda n: call("post.create", '{"a":0' + ',"a":0' * (n // 6) + "}")),
    "an unknown field with a long name": Hostile("json", lambda n: call("system.ping", '{"' + "k" * n + '":1}')),
    "escapes": Hostile("json", lambda n: call("post.create", '{"text":"' + "\\u0041" * (n // 6) + '"}')),
    "lone surrogates": Hostile("json", lambda n: call("post.create", '{"text":"' + "\\ud800" * (n // 6) + '"}')),
    "lone surrogates in many values": Hostile(
        "json", lambda n: call("user.list", '{"user_ids":[' + '"\\ud800",' * (n // 9) + "0]}")
    ),
    "one lone surrogate among empty arrays": Hostile(
        "json", lambda n: call("user.list", '{"user_ids":["\\ud800"' + ",[]" * (n // 3) + "]}")
    ),
    "a long method name": Hostile("json", lambda n: [f'421["{"m" * n}"]']),
    "marks that decompose into marks": Hostile("json", lambda n: call("post.create", f'{{"text":"{"ཱི" * (n // 3)}"}}')),
    "a very long number": Hostile("json", lambda n: call("system.ping", "1" * n)),
    "broken JSON": Hostile("json", lambda n: [f'421["system.ping",{"[" * 10}{"0," * (n // 2)}']),
    "an attachment to a flat array": Hostile(
        "json", lambda n: ['451-1["system.ping",[' + "0," * (n // 2) + '{"_placeholder":true,"num":0}]]', b"x"]
    ),
    "many attachments": Hostile("json", lambda n: ['4516-1["system.ping",{}]', *[b"x" * (n // 16)] * 16]),
    "an acknowledgement without a call": Hostile("json", lambda n: ["431[" + "0," * (n // 2) + "0]"]),
    "an extension and empty arrays": Hostile(
        "msgpack", lambda n: packed("auth.login", LOGIN + array(n + 1) + b"\x90" * n + b"\xd4\x00\x00")
    ),
    "an extension and empty maps": Hostile(
        "msgpack", lambda n: packed("auth.login", LOGIN + array(n + 1) + b"\x80" * n + b"\xd4\x00\x00")
    ),
    "many undefined values": Hostile(
        "msgpack", lambda n: packed("auth.login", LOGIN + array(n // 3) + b"\xd4\x00\x00" * (n // 3))
    ),
    "undefined in many fields": Hostile(
        "msgpack", lambda n: packed("system.ping", table(n // 5) + b"\xa1a\xd4\x00\x00" * (n // 5))
    ),
    "packed arrays in arrays": Hostile("msgpack", lambda n: packed("system.ping", b"\x91" * n + b"\x90")),
    "a map with maps for keys": Hostile(
        "msgpack", lambda n: packed("auth.login", table(n // 2) + b"\x80\x80" * (n // 2))
    ),
    "packed ids": Hostile(
        "msgpack", lambda n: packed("user.list", b"\x81\xa8user_ids" + array(n // 2) + b"\xa11" * (n // 2))
    ),
    "an array with a false length": Hostile("msgpack", lambda n: packed("system.ping", array(2**32 - 1) + b"\x90")),
    "unknown keys in the envelope": Hostile(
        "msgpack", lambda n: [b"\xdf" + (n // 3).to_bytes(4, "big") + b"\xa1a\x90" * (n // 3)]
    ),
}
