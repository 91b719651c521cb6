"""Which deliveries belong to one ``send()``: for people who look at them; no guarantee rests on it."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from uuid import UUID

DEEPEST = 16  # sends within sends that are told apart


def new_emission() -> UUID:
    """Return a UUID that begins with the time in milliseconds (version 7 of RFC 9562).

    Emissions are indexed: one made after another is written beside it; a random one would touch a page of its own.
    """
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    bits = milliseconds << 80 | random
    bits = bits & ~(0xF << 76) | 0x7 << 76  # the version
    bits = bits & ~(0x3 << 62) | 0x2 << 62  # the variant
    return UUID(int=bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Send:
    """One ``send()``, known by its frame and by whom it has called so far."""

    place: tuple[int, int, int]
    emission: UUID = field(default_factory=new_emission)
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
