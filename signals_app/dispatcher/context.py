"""What is going on: the delivery that runs, where a send comes from, and what travels with it."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.db import connections, transaction
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, empty
from django.utils.module_loading import import_string

from signals_app import ledger
from signals_app.conf import conf
from signals_app.exceptions import PayloadError, PayloadTooLarge, SignalsAppError
from signals_app.models import Delivery
from signals_app.redaction import beginning
from signals_app.redaction.logs import get_logger, one_line

logger = get_logger("signals_app.origin")

T = TypeVar("T")

DEEPEST = 16  # sends within sends that are told apart
LONGEST_WAY = 25  # receivers that are shown of a chain

_DELIVERY = "delivery #{}"
_IN_TEXT = re.compile(_DELIVERY.format("([0-9]+)"))  # no request's: those begin with a method in capitals


@dataclass(kw_only=True, eq=False)
class CurrentDelivery:
    """What a receiver may know of, and say about, the delivery it runs for."""

    id: int
    emission: UUID
    attempt: int  # from 1
    max_attempts: int
    depth: int = 0  # how many deliveries led to it, each sent by the receiver of the one before
    steps: tuple[int, int] = (0, 0)  # done, of so many

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this delivery and for no other. Give it to services that take such a key."""
        return f"{self.emission}.{self.id}"

    def progress(self, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` steps are finished. The heartbeat writes it down, each quarter of a second.

        On SQLite the progress of an ``atomic=True`` receiver shows at its end only: it holds the one write lock. Raises
        ValueError unless 0 <= done <= total < 2 ** 63.
        """
        if not 0 <= done <= total < 2**63:
            raise ValueError(f"progress({done!r}, {total!r}): done lies between 0 and total, total below 2 ** 63.")
        self.steps = (int(done), int(total))  # no database takes NumPy's


_current: ContextVar[CurrentDelivery | None] = ContextVar("signals_app_delivery", default=None)


def current_delivery() -> CurrentDelivery:
    """Return the delivery that the calling receiver runs for. Raises SignalsAppError outside of one."""
    delivery = current_or_none()
    if delivery is None:
        raise SignalsAppError(
            "No delivery is running here; current_delivery() answers inside a queued receiver only, and in no thread "
            "that it starts: give it to the thread."
        )
    return delivery


def current_or_none() -> CurrentDelivery | None:
    """Return the delivery whose receiver runs here, None outside of one."""
    return _current.get()


def running(delivery: CurrentDelivery) -> AbstractContextManager[None]:
    """Make a delivery the current one while the block runs."""
    return _Having(_current, delivery)


class _Having:
    """By hand, for each delivery enters one: a generator's context would take three times as long."""

    __slots__ = ("_mark", "_value", "_variable")

    def __init__(self, variable: ContextVar[Any], value: object) -> None:
        self._variable = variable
        self._value = value

    def __enter__(self) -> None:
        self._mark = self._variable.set(self._value)

    def __exit__(self, *error: object) -> None:
        self._variable.reset(self._mark)


class Context(Protocol):
    """What ``SIGNALS_APP["CONTEXT"]`` names: a class that is called without arguments, once in a process."""

    def capture(self) -> Any:
        """Return, at a send, what to remember: None, bool, int, float, str, lists, and dicts whose keys are str."""

    def restore(self, value: Any, /) -> AbstractContextManager[object]:
        """Return, in the worker, what holds for the block in which arguments are fetched and the receiver runs."""


def captured() -> str:
    """Return the context of a send as JSON text, "" where the project has none.

    Raises what ``capture()`` raises, and PayloadError for what JSON would not give back as it is.
    """
    path = conf.context
    if not path:
        return ""
    value = context_of(path).capture()
    try:
        text = json.dumps(value, allow_nan=False)
        is_kept = json.loads(text) == value
    except (TypeError, ValueError, RecursionError):
        is_kept = False
    if not is_kept:
        raise PayloadError(
            f"capture() of {path} returned a {type(value).__qualname__} that JSON does not give back as it is. "
            "Return None, bool, int, float, str, or lists and dicts of them, with keys that are str."
        )
    if len(text) > conf.max_payload:
        raise PayloadTooLarge(
            f'capture() of {path} returned {len(text):,} bytes of JSON and SIGNALS_APP["MAX_PAYLOAD"] allows '
            f"{conf.max_payload:,}. Return a key by which restore() finds the rest."
        )
    return text


def restored(text: str) -> AbstractContextManager[object]:
    """Return the context in which a delivery is to run. Raises SignalsAppError where this process cannot enter it."""
    if not text:
        return nullcontext()
    if not conf.context:
        raise SignalsAppError(
            'This delivery was sent in a context, and SIGNALS_APP["CONTEXT"] names none here. '
            "Give the cluster the settings of the sender, and retry."
        )
    return context_of(conf.context).restore(json.loads(text))


@cache
def context_of(path: str) -> Context:
    """Return the project's context. Raises ImportError where the path leads nowhere."""
    made: Context = import_string(path)()
    return made


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
    def __init__(self) -> None:
        self.open: list[_Send] = []  # those that may still be under way in this thread, the innermost last


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What is under way when a signal is sent; ``place`` is a line for people, empty where nothing is known."""

    place: str = ""
    request: HttpRequest | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> Origin:
        """Return a request's, whose user is not looked up before somebody asks. The query string is left out."""
        return cls(place=_line(f"{request.method} {request.path}", "sent_from"), request=request)

    def user(self) -> str:
        """Return the name of the request's user; empty where nobody is logged in, or nobody can tell."""
        try:
            user = getattr(self.request, "user", None)
            return _line(str(_name_of(user)), "sent_by") if user is not None else ""
        except Exception as error:  # whatever a session or a user model raises, the send goes on
            logger.warning("It cannot be told whose request %s is: %s", self.place, error)
            return ""


def current_origin() -> Origin:
    """Return what a signal that is sent now comes from."""
    delivery = current_or_none()
    return _origin.get() if delivery is None else Origin(place=_DELIVERY.format(delivery.id))


def sending(origin: Origin) -> AbstractContextManager[None]:
    """Let what is sent within the block come from there."""
    return _Having(_origin, origin)


def delivery_in(place: str) -> int | None:
    """Return the id of the delivery whose receiver sent, None where it was something else."""
    found = _IN_TEXT.fullmatch(place)
    return int(found[1]) if found else None


def way_to(receiver: str) -> list[str]:
    """Return the keys of the receivers that sent to one another, up to this one: from its last turn, if it had one."""
    rows = Delivery.objects.using(ledger.connection().alias).values_list("receiver", "sent_from")
    keys = [receiver]
    parent = delivery_in(current_origin().place)
    while parent and len(keys) < LONGEST_WAY:
        key, place = rows.filter(pk=parent).first() or (receiver, "")
        keys.append(key)
        parent = delivery_in(place) if key != receiver else None
    return keys[::-1]


def command_in(words: Sequence[str]) -> str:
    """Return the management command that a process was started for, empty where it was for something else."""
    program = PurePath(words[0]).name if words else ""
    return _line(" ".join([program, *words[1:2]]), "sent_from") if program in ("manage.py", "django-admin") else ""


def _name_of(user: Any) -> object:
    if not (isinstance(user, SimpleLazyObject) and user._wrapped is empty):
        return user.get_username()
    with ExitStack() as savepoints:  # else a query that fails would take the sender's transaction with it
        for db in connections.all(initialized_only=True):
            if db.in_atomic_block:
                savepoints.enter_context(transaction.atomic(using=db.alias))
        return user.get_username()


def _line(text: str, column: str) -> str:
    """Return text of any origin as one line of printable characters that fits a column."""
    field: Any = Delivery._meta.get_field(column)
    most: int = field.max_length
    text = one_line(text if len(text) <= most else beginning(text, most + 1))
    return text if len(text) <= most else f"{text[: most - 1]}…"


_origin: ContextVar[Origin] = ContextVar("signals_app_origin", default=Origin(place=command_in(sys.argv)))  # noqa: B039
