"""One send: the id that its deliveries share, and where it comes from."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, empty

from signals_app import ledger
from signals_app.dispatcher.current import Having, current_or_none
from signals_app.models import Delivery
from signals_app.redaction import beginning
from signals_app.redaction.logs import get_logger, one_line

logger = get_logger("signals_app.origin")

DEEPEST = 16  # sends within sends that are told apart
LONGEST_WAY = 25  # receivers that are shown of a chain

_DELIVERY = "delivery #{}"
_IN_TEXT = re.compile(_DELIVERY.format("([0-9]+)"))  # no request's: those begin with a method in capitals


@dataclass(slots=True, kw_only=True)
class Send:
    """One ``send()``, known by its frame and by whom it has called so far."""

    place: tuple[int, int, int]
    emission: UUID = field(default_factory=ledger.new_emission)
    called: set[int] = field(default_factory=set)
    # where emission_settled is to follow
    batch: int | None = None
    payload: str = ""  # of the first delivery
    ran: int = 0  # receivers that ran here, under SIGNALS_APP["IMMEDIATE"]


_this_thread = threading.local()


def send_of(*, frame: int, signal: object, sender: object, receiver: object) -> Send:
    """Return the send that calls ``receiver``; ``frame`` is the ``id()`` of the frame that calls it.

    All receivers of one send are called from one frame. Frames are reused, so a receiver that is called a second time
    marks the next send.
    """
    place = (frame, id(signal), id(sender))
    # those that may still be under way, the innermost last
    sends: list[Send] = _this_thread.__dict__.setdefault("sends", [])
    for depth in range(len(sends) - 1, -1, -1):
        if sends[depth].place == place and id(receiver) not in sends[depth].called:
            del sends[depth + 1 :]  # whatever was sent within it has returned
            break
    else:
        sends[:] = [*[one for one in sends if one.place[0] != frame][1 - DEEPEST :], Send(place=place)]
    sends[-1].called.add(id(receiver))
    return sends[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a signal is sent from; ``place`` is a line for people, empty where nothing is known."""

    place: str = ""
    request: HttpRequest | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> Origin:
        """Return a request's. Its user is not looked up before somebody asks; its query string is left out."""
        return cls(place=_line(f"{request.method} {request.path}", "sent_from"), request=request)

    def user(self) -> str:
        """Return the name of the request's user; empty where nobody is logged in, or nobody can tell."""
        try:
            user = getattr(self.request, "user", None)
            return _line(str(_name_of(user)), "sent_by") if user is not None else ""
        except Exception as error:  # whatever a session or a user model raises, the send goes on
            logger.warning("It cannot be told whose request %s is: %s", self.place, error)
            return ""


def _name_of(user: Any) -> object:
    with ExitStack() as savepoints:  # else a query that fails would break the sender's transaction
        if isinstance(user, SimpleLazyObject) and user._wrapped is empty:
            for db in connections.all(initialized_only=True):
                if db.in_atomic_block:
                    savepoints.enter_context(transaction.atomic(using=db.alias))
        return user.get_username()


def _line(text: str, column: str) -> str:
    """Return any text as one line of printable characters that fits a column."""
    field: Any = Delivery._meta.get_field(column)
    most: int = field.max_length
    text = one_line(text if len(text) <= most else beginning(text, most + 1))
    return text if len(text) <= most else f"{text[: most - 1]}…"


def command_in(words: Sequence[str]) -> str:
    """Return the management command that a process was started for, "" where it was started for something else."""
    program = PurePath(words[0]).name if words else ""
    return _line(" ".join([program, *words[1:2]]), "sent_from") if program in ("manage.py", "django-admin") else ""


_origin: ContextVar[Origin] = ContextVar("signals_app_origin", default=Origin(place=command_in(sys.argv)))  # noqa: B039


def current_origin() -> Origin:
    """Return where a signal that is sent now comes from."""
    delivery = current_or_none()
    return _origin.get() if delivery is None else Origin(place=_DELIVERY.format(delivery.id))


def sent_from(origin: Origin) -> AbstractContextManager[None]:
    """Have what is sent within the block come from there."""
    return Having(_origin, origin)


def delivery_in(place: str) -> int | None:
    """Return the id of the delivery whose receiver sent, None where something else did."""
    found = _IN_TEXT.fullmatch(place)
    return int(found[1]) if found else None


def way_to(receiver: str) -> list[str]:
    """Return the keys of the receivers that led to this one by their sends, from its own last turn if it had one."""
    rows = Delivery.objects.using(ledger.connection().alias).values_list("receiver", "sent_from")
    keys = [receiver]
    parent = delivery_in(current_origin().place)
    while parent and len(keys) < LONGEST_WAY:
        key, place = rows.filter(pk=parent).first() or (receiver, "")
        keys.append(key)
        parent = delivery_in(place) if key != receiver else None
    return keys[::-1]
