"""A real HTTP server that answers as it is told and remembers what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Received(NamedTuple):
    """One request as it came in."""

    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Warehouse:
    """Answers each request with ``status``, ``headers`` and ``body``."""

    url: str
    status: int = 201
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)


@contextmanager
def warehouse_server() -> Iterator[Warehouse]:
    """Run a server on a free port of 127.0.0.1 while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            warehouse.received.append(Received(dict(self.headers), body))
            self.send_response(warehouse.status)
            for name, value in {**warehouse.headers, "Content-Length": str(len(warehouse.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(warehouse.body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        warehouse = Warehouse(url=f"http://127.0.0.1:{server.server_address[1]}/notices/")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield warehouse
        server.shutdown()
