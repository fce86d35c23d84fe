"""A DNS server that answers one name with the addresses that a test sets, as Docker's and Kubernetes' do."""

import asyncio
import socket
import struct

ANSWER, NO_SUCH_NAME = 0x8580, 0x8583


class Names(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}

    async def open(self, host: str) -> int:
        """Return the port."""
        self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=(host, 0)
        )
        return int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        pass

    def datagram_received(self, data: bytes, peer: tuple[str, int]) -> None:
        labels, place = [], 12
        while data[place]:
            labels.append(data[place + 1 : place + 1 + data[place]].decode())
            place += 1 + data[place]
        question = data[12 : place + 5]
        kind = struct.unpack_from("!H", data, place + 1)[0]
        known = self.addresses.get(".".join(labels).lower())
        found = known if known and kind == 1 else []  # A
        head = struct.pack("!2sHHHHH", data[:2], ANSWER if known else NO_SUCH_NAME, 1, len(found), 0, 0)
        records = [struct.pack("!HHHIH", 0xC00C, 1, 1, 1, 4) + socket.inet_aton(address) for address in found]
        self._transport.sendto(head + question + b"".join(records), peer)
