"""Who sends, and from where: a request, the attempt of another delivery, or a command."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.db import connections, transaction
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject, empty

from signals_app import ledger
from signals_app.logs import get_logger, one_line
from signals_app.masking import beginning
from signals_app.models import Delivery
from signals_app.running import current_or_none

logger = get_logger("signals_app.origin")

LONGEST_WAY = 25  # receivers that are shown of a chain

_DELIVERY = "delivery #{}"
_IN_TEXT = re.compile(_DELIVERY.format("([0-9]+)"))  # no request's: those begin with a method in capitals


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


@contextmanager
def sending(origin: Origin) -> Iterator[None]:
    """Let what is sent within the block come from there."""
    mark = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(mark)


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
    most = _MOST[column]
    text = one_line(text if len(text) <= most else beginning(text, most + 1))
    return text if len(text) <= most else f"{text[: most - 1]}…"


_meta: Any = Delivery._meta
_MOST: dict[str, int] = {name: _meta.get_field(name).max_length for name in ("sent_by", "sent_from")}
_of_command = Origin(place=command_in(sys.argv))
_origin: ContextVar[Origin] = ContextVar("signals_app_origin", default=_of_command)
