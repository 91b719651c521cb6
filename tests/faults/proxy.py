"""A wire between a cluster and its database that a test can cut: TCP on the loopback device, passed on byte by byte."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

ANSWERED = b"Z\x00\x00\x00\x05"  # PostgreSQL's ReadyForQuery: the whole answer to a statement has come


@dataclass(slots=True, kw_only=True)
class Ambush:
    """The next statement that ``matches`` costs its sender the connection, and is

    - not passed on, where ``at`` is ``before``;
    - passed on, where it is ``sent``: the sender is cut off while the server works on it;
    - worked off, where it is ``answer``: the sender is cut off when the whole answer has come.
    """

    matches: Callable[[bytes], bool]
    at: str
    is_sprung: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def takes(self, sent: bytes) -> bool:
        with self.lock:
            if self.is_sprung or not self.matches(sent):
                return False
            self.is_sprung = True
            return True


class Proxy:
    """Listens on a port of its own and passes everything on to a server, unless a test says otherwise."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.flows = threading.Event()
        self.flows.set()
        self._wires: set[Wire] = set()
        self.ambush: Ambush | None = None
        port = int(self._listener.getsockname()[1])
        self.url = f"postgres://postgres@127.0.0.1:{port}/postgres"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()
        self.heal()
        self.reset()

    def lay(self, matches: Callable[[bytes], bool], *, at: str) -> Ambush:
        """Lie in wait for a statement; see ``Ambush``."""
        self.ambush = Ambush(matches=matches, at=at)
        return self.ambush

    def cut(self) -> None:
        """Pass nothing on and close nothing: what an unplugged cable looks like, from either end."""
        self.flows.clear()

    def heal(self) -> None:
        """Pass on again, beginning with what was sent meanwhile, as TCP would."""
        self.flows.set()

    def reset(self) -> None:
        """Break every connection."""
        for wire in tuple(self._wires):
            wire.reset()

    def _accept(self) -> None:
        with suppress(OSError):  # closed by __exit__
            while True:
                client, _ = self._listener.accept()
                self.flows.wait()
                try:
                    wire = Wire(self, client, socket.create_connection(self._server))
                except OSError:
                    client.close()
                    continue
                self._wires.add(wire)
                wire.start(self._wires.discard)


class Wire:
    """One connection through a proxy: two sockets, and a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._caught = ""  # where the ambush wants to be sprung on the statement that is under way

    def start(self, ended: Callable[[Wire], object]) -> None:
        """Pass on until either side closes; then call ``ended``."""
        for pump in (self._send, self._answer):
            threading.Thread(target=self._run, args=(pump, ended), daemon=True).start()

    def reset(self) -> None:
        for end in (self._client, self._server):
            _break(end)

    def _run(self, pump: Callable[[], None], ended: Callable[[Wire], object]) -> None:
        with suppress(OSError):  # the other thread, or a test, has closed it
            pump()
        if not self._caught:
            self.reset()
        ended(self)

    def _send(self) -> None:
        while sent := self._client.recv(65_536):
            self._proxy.flows.wait()
            ambush = self._proxy.ambush
            if ambush and ambush.takes(sent):
                if ambush.at == "before":
                    return
                self._caught = ambush.at
            self._server.sendall(sent)
            if self._caught == "sent":
                _break(self._client)

    def _answer(self) -> None:
        """Pass answers on; what a caught statement is answered is read, so that the server is not disturbed."""
        while answer := self._server.recv(65_536):
            self._proxy.flows.wait()
            if not self._caught:
                self._client.sendall(answer)
            elif ANSWERED in answer:
                self._caught = ""
                return


def _break(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
    end.close()
