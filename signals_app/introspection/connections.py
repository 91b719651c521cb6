"""What ``Signal.receivers`` holds, read without connecting, sending or keeping anything alive.

Django's entries are ``(key, receiver, is_async)`` up to 5.2 and ``(key, receiver, sender, is_async)`` since 6.0, where
receiver and sender may be weak references. A key is ``(dispatch_uid or identity of the receiver, id of the sender)``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import cast
from weakref import ReferenceType

from django.apps import apps
from django.db.models import Model, TextChoices
from django.dispatch import Signal
from django.utils.translation import gettext_lazy as _

from signals_app.introspection.callables import Callee, Form, callee, gone, is_same
from signals_app.introspection.options import Option, options_of
from signals_app.introspection.places import Place
from signals_app.naming import label, members

_ANY_SENDER = id(None)


class Kind(TextChoices):
    """When a receiver works."""

    PLAIN = "plain", _("plain")  # within send()
    ASYNC = "async", _("async")  # within send(), awaited
    QUEUED = "queued", _("queued")  # in a worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One entry of a signal: a receiver and how it was connected."""

    receiver: str  # the key of a queued receiver, else its dotted name; "" where it is gone without a trace
    kind: Kind
    form: Form
    place: Place | None
    sender: str  # "" for any; "?" for an object that Django no longer knows, or that no loaded module holds
    dispatch_uid: str
    is_weak: bool
    is_dead: bool  # its weak reference, or that of its sender, points to nothing
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """An entry as Django keeps it, of any version."""

    uid: object
    sender_id: int
    receiver: object
    sender: object  # a weak reference or None
    is_async: bool


def connections(signals: Collection[Signal]) -> list[tuple[Connection, ...]]:
    """Return the connections of each signal, in the order in which they are called."""
    entries = [list(_entries(signal)) for signal in signals]
    unnamed = {one.sender_id for some in entries for one in some if one.sender is None}
    senders = _names_of(unnamed - {_ANY_SENDER})
    return [tuple(_connection(entry, senders) for entry in some) for some in entries]


def _entries(signal: Signal) -> Iterator[_Entry]:
    for (uid, sender_id), receiver, *sender, is_async in list(signal.receivers):
        yield _Entry(
            uid=uid,
            sender_id=sender_id,
            receiver=receiver,
            sender=sender[0] if sender else None,
            is_async=bool(is_async),
        )


def _connection(entry: _Entry, senders: Mapping[int, str]) -> Connection:
    is_weak = issubclass(type(entry.receiver), ReferenceType)
    receiver = cast("ReferenceType[object]", entry.receiver)() if is_weak else entry.receiver
    is_dead = is_weak and receiver is None
    found: Callee = gone(entry.receiver) if is_dead else callee(receiver)
    sender = None if entry.sender is None else cast("ReferenceType[object]", entry.sender)()
    named = _name(sender) if sender is not None else senders.get(entry.sender_id, "?")
    kind = Kind.QUEUED if found.queued else Kind.ASYNC if entry.is_async else Kind.PLAIN
    return Connection(
        receiver=found.name,
        kind=kind,
        form=found.form,
        place=found.place,
        sender="" if entry.sender_id == _ANY_SENDER else named,
        dispatch_uid=_uid(entry, None if is_dead else receiver),
        is_weak=is_weak,
        is_dead=is_dead or (entry.sender is not None and sender is None),
        options=options_of(found.queued) if found.queued else (),
    )


def _uid(entry: _Entry, receiver: object) -> str:
    if receiver is not None and is_same(receiver, entry.uid):
        return ""
    if receiver is None and _looks_like_identity(entry.uid):
        return ""
    return str(entry.uid) if isinstance(entry.uid, str | int) else type(entry.uid).__qualname__


def _looks_like_identity(uid: object) -> bool:
    parts = uid if isinstance(uid, tuple) else (uid,)
    return all(isinstance(part, int) for part in parts)


def _names_of(ids: set[int]) -> dict[int, str]:
    """Return names of the objects with these ids that loaded modules hold; Django 5.2 keeps no more of a sender."""
    if not ids:
        return {}
    found = {id(config): _name(config) for config in apps.get_app_configs() if id(config) in ids}
    return found | {id(value): _name(value) for _module, _attribute, value in members() if id(value) in ids}


def _name(sender: object) -> str:
    # types are compared because isinstance() would evaluate a lazy object
    if issubclass(type(sender), type | str | Model):
        return label(sender)
    return label(type(sender))
