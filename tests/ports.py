"""Ports for servers of tests."""

import socket


def free_ports(amount: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(amount)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
