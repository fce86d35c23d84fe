"""The official clients of all languages: their combinations, their abilities, and whether they are built."""

import shutil
import sys
from dataclasses import dataclass
from itertools import product

from tests.people import CLIENTS, NODE

SERVER_DISCONNECT = "io server disconnect"
WEBSOCKET, POLLING, UPGRADE = ("websocket",), ("polling",), ("polling", "websocket")


@dataclass(frozen=True)
class Language:
    command: tuple[str, ...]  # starts its driver, in `clients/`
    tool: str  # builds the driver
    made: str  # file in `clients/` that exists once it is built
    end: str | None = SERVER_DISCONNECT  # the client's reason for a server disconnect

    @property
    def tool_is_here(self) -> bool:
        return shutil.which(self.tool) is not None

    @property
    def is_missing(self) -> bool:
        return not (CLIENTS / self.made).exists()


def _javascript(*command: str) -> Language:
    return Language(command, "npm", "node_modules/.installed")


def _java(version: str) -> Language:
    command = ("java", "-XX:TieredStopAtLevel=1", "-cp", f"java/target/classes:java/target/{version}/*", "Driver")
    return Language(command, "mvn", "java/target/.made")


_RUST = "rust/target/debug/daira-test-client"
LANGUAGES = {
    "node": _javascript(*NODE),
    "bun": _javascript("node_modules/.bin/bun", "driver.mjs"),
    "deno": _javascript("node_modules/.bin/deno", "run", "--no-remote", "--allow-all", "driver.mjs"),
    "python": Language((sys.executable, "python/driver.py"), sys.executable, "python/driver.py", "server disconnect"),
    "go": Language(("go/target/driver",), "go", "go/target/driver"),
    "rust": Language((_RUST,), "cargo", _RUST, None),
    "java-2.0": _java("2.0.1"),
    "java-2.1": _java("2.1.2"),
}


@dataclass(frozen=True)
class Client:
    """One way to use an official client."""

    language: str
    variant: str  # JavaScript's version; "sync" or "async"
    codec: str
    transports: tuple[str, ...]
    force_base64: bool = False

    def __str__(self) -> str:
        transport = "upgrade" if self.transports == UPGRADE else self.transports[0]
        parts = [self.language, self.variant, self.codec, transport, "base64" if self.force_base64 else ""]
        return "-".join(part for part in parts if part)

    @property
    def recovers(self) -> bool:
        """Whether it supports connection state recovery."""
        return self.variant == "newest" or self.language == "go"

    @property
    def calls_at_once(self) -> int:
        """Rust's clients choose a call's number at random among 999, and lose answers when two are equal."""
        return 1 if self.language == "rust" else 20

    @property
    def longest_text(self) -> int:
        """In characters. By polling, Rust's asynchronous client loses answers that it does not read at once: 8 KiB."""
        return 2_000 if (self.language, self.variant, self.transports) == ("rust", "async", POLLING) else 4_000

    @property
    def sends_binary(self) -> bool:
        """Whether it can send binary inside an argument; Rust's clients send it only as a whole argument."""
        return self.language != "rust"


def _clients() -> list[Client]:
    """On Node.js all versions, transports and codecs; on other runtimes MessagePack and base64 only with the newest."""
    by = (WEBSOCKET, POLLING, UPGRADE)
    codecs = ("json", "msgpack")
    versions = ("3.1", "4.0", "4.5", "newest")
    kinds = ("sync", "async")
    ways = [
        *product(("node",), versions, codecs, by),
        *product(("node",), versions, ("msgpack",), by, (True,)),
        *product(("node",), ("newest",), ("json",), by, (True,)),
        *product(("bun", "deno"), versions, ("json",), by),
        *product(("bun", "deno"), ("newest",), ("msgpack",), by, (False, True)),
        *product(("python",), kinds, codecs, by),
        *product(("java-2.0", "java-2.1"), ("",), codecs, by),
        *product(("rust",), kinds, ("json",), by),
        ("go", "", "json", WEBSOCKET),
    ]
    return [Client(*way) for way in ways]


CLIENTS_TO_TRY = _clients()
