"""Listening sockets that no other process can share."""

import socket

SEND_BUFFER = 128 * 1024  # bytes; Linux takes the double


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that no other process can share. Raises OSError if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # What a client leaves unread is bounded in the kernel as well; accepted sockets inherit it.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    try:
        listener.bind((host, port))
        listener.listen(4096)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
