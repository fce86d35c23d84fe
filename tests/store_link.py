"""A way to a server that tests can cut: a server that forwards bytes to it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class StoreLink:
    """States: "open"; "frozen", where it takes connections and answers nothing; "closed", where it refuses them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._thaws = asyncio.Event()
        self._thaws.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._thaws.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def freeze(self) -> None:
        self._thaws.clear()

    async def close(self) -> None:
        self._thaws.set()
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        self._writers |= {writer, back}
        await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        self._writers -= {writer, back}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while content := await reader.read(65_536):
                await self._thaws.wait()
                writer.write(content)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def link_to(port: int) -> AsyncIterator[StoreLink]:
    link = StoreLink(port)
    await link.open()
    try:
        yield link
    finally:
        await link.close()
