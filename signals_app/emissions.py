"""Which deliveries belong to one ``send()``: for people who look at them; no guarantee rests on it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from uuid import UUID, uuid4

DEEPEST = 16  # sends within sends that are told apart


@dataclass(frozen=True, slots=True, kw_only=True)
class _Send:
    """One ``send()``, known by its frame and by whom it has called so far."""

    place: tuple[int, int, int]
    emission: UUID = field(default_factory=uuid4)
    called: set[int] = field(default_factory=set)


class _Sends(threading.local):
    """The sends that may still be under way in this thread, the innermost last."""

    def __init__(self) -> None:
        self.open: list[_Send] = []


_sends = _Sends()


def emission_of(*, frame: int, signal: object, sender: object, receiver: object) -> UUID:
    """Return the id of the send that calls ``receiver``; ``frame`` is the ``id()`` of the frame that calls it.

    All receivers of one send are called from one frame. Frames are reused, so a receiver that is called a second time
    marks the next send.
    """
    place = (frame, id(signal), id(sender))
    sends = _sends.open
    for depth in range(len(sends) - 1, -1, -1):
        if sends[depth].place == place and id(receiver) not in sends[depth].called:
            del sends[depth + 1 :]  # whatever was sent within it has returned
            break
    else:
        sends[:] = [*[one for one in sends if one.place[0] != frame][1 - DEEPEST :], _Send(place=place)]
    sends[-1].called.add(id(receiver))
    return sends[-1].emission
