"""Which deliveries belong to one ``send()``: for people who look at them; no guarantee rests on it."""

from __future__ import annotations

import threading
from uuid import UUID, uuid4


class _Latest(threading.local):
    """The last send seen in this thread, known by its frame and by whom it has called so far."""

    send: tuple[int, int, int] = (0, 0, 0)
    emission: UUID
    called: set[int]


_latest = _Latest()


def emission_of(*, frame: int, signal: object, sender: object, receiver: object) -> UUID:
    """Return the id of the send that calls ``receiver``; ``frame`` is the ``id()`` of the frame that calls it.

    All receivers of one send are called from one frame. Frames are reused, so a receiver that is called a second time
    marks the next send.
    """
    send = (frame, id(signal), id(sender))
    if _latest.send != send or id(receiver) in _latest.called:
        _latest.send, _latest.emission, _latest.called = send, uuid4(), set()
    _latest.called.add(id(receiver))
    return _latest.emission
