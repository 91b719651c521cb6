"""Ports of the loopback device."""

import socket


def free_port() -> int:
    """Return one that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
