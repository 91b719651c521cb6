"""What is connected to a signal: callables, their places in the code, their options."""

from __future__ import annotations

import linecache
import re
import sys
import sysconfig
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import partial
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, cast
from weakref import ReferenceType, WeakMethod

from django.apps import apps
from django.conf import settings
from django.db.models import Model, TextChoices
from django.dispatch import Signal
from django.utils.translation import gettext_lazy as _

from signals_app import backoff
from signals_app.dispatcher import QueuedReceiver
from signals_app.dispatcher.options import ReceiverOptions
from signals_app.payloads.names import label, members, namespace

_INSTALLED = ("site-packages", "dist-packages")
_OURS = PurePath(__file__).parents[2]  # signals_app, wherever it was put


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file and a line; the path is relative to the project, to where packages are installed, or to Python's library.

    ``line`` is 0 where it is not known. ``is_library`` is true outside of the project, and for signals_app itself.
    """

    path: str
    line: int
    is_library: bool

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


def place_of_function(function: FunctionType) -> Place | None:
    """Return where a function begins, its decorators included."""
    return _place(function.__code__.co_filename, function.__code__.co_firstlineno)


def place_of_class(cls: type) -> Place | None:
    """Return where a class is defined; the first of that name, where its module has several."""
    filename = _file_of(cls.__module__)
    return _place(filename, _line(filename, rf"\s*class\s+{re.escape(cls.__name__)}\b"))


def place_of_signal(name: str) -> Place | None:
    """Return where a signal of this ``module.name`` is made; without a line where that module only imports it."""
    module, _, attribute = name.rpartition(".")
    filename = _file_of(module)
    return _place(filename, _line(filename, rf"\s*{re.escape(attribute)}\s*(:[^=]+)?=[^=]"))


def _file_of(module: str) -> str:
    filename = namespace(sys.modules.get(module)).get("__file__")
    return filename if isinstance(filename, str) else ""


def _line(filename: str, pattern: str) -> int:
    """Return the number of the first line that begins like a pattern, or 0."""
    begins = re.compile(pattern).match
    lines = enumerate(linecache.getlines(filename), start=1) if filename.endswith(".py") else ()
    return next((number for number, line in lines if begins(line)), 0)


def _place(filename: str, line: int) -> Place | None:
    if not filename or filename.startswith("<"):  # built in, frozen, or typed at a prompt
        return None
    path = PurePath(filename)
    for part in _INSTALLED:
        if part in path.parts:
            after = len(path.parts) - path.parts[::-1].index(part)
            return Place(path=PurePath(*path.parts[after:]).as_posix(), line=line, is_library=True)
    for root, is_library in _roots():
        if path.is_relative_to(root):
            is_ours = path.is_relative_to(_OURS)
            relative = path.relative_to(_OURS.parent if is_ours else root)
            return Place(path=relative.as_posix(), line=line, is_library=is_library or is_ours)
    return Place(path=path.name, line=line, is_library=False)


def _roots() -> Iterator[tuple[PurePath, bool]]:
    """Yield directories that paths are told from, and whether they are a library, the most telling first."""
    yield _OURS, True
    if base := str(getattr(settings, "BASE_DIR", "")):
        yield PurePath(base), False
    yield PurePath(sysconfig.get_path("stdlib")), True
    for entry in sorted(sys.path, key=len, reverse=True):
        if entry:
            yield PurePath(entry), False


_DEEPEST = 32  # layers of decorators that are looked through


class Form(TextChoices):
    """What was connected."""

    FUNCTION = "function", _("function")
    DECORATED = "decorated", _("decorated function")
    METHOD = "method", _("method")
    PARTIAL = "partial", _("partial")
    OBJECT = "object", _("object")
    CLASS = "class", _("class")
    BUILTIN = "builtin", _("built in")
    GONE = "gone", _("gone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Callee:
    """A receiver's dotted name, form and place, and the queued receiver that it is or wraps."""

    name: str
    form: Form
    place: Place | None
    queued: QueuedReceiver | None = None


def callee(receiver: object) -> Callee:
    """Describe a receiver. One that wraps a queued receiver, by ``functools``, is taken for it."""
    layers = list(_layers(receiver))
    queued = next((cast(QueuedReceiver, one) for one in layers if issubclass(type(one), QueuedReceiver)), None)
    name, place = _name_and_place(layers[-1])
    return Callee(name=queued.key if queued else name, form=_form(layers), place=place, queued=queued)


def gone(reference: object) -> Callee:
    """Describe a receiver that a dead weak reference pointed to: of a method, its function may still be known."""
    function = getattr(reference, "_func_ref", lambda: None)() if issubclass(type(reference), WeakMethod) else None
    if function is None:
        return Callee(name="", form=Form.GONE, place=None)
    name, place = _name_and_place(function)
    return Callee(name=name, form=Form.GONE, place=place)


def is_same(receiver: object, key: object) -> bool:
    """Tell whether a key in ``Signal.receivers`` is the receiver's identity; any other is its ``dispatch_uid``."""
    if issubclass(type(receiver), MethodType):
        method = cast(MethodType, receiver)
        return key == (id(method.__self__), id(method.__func__))
    return key == id(receiver)


def _layers(receiver: object) -> Iterator[object]:
    """Yield a callable and what it wraps, outermost first."""
    seen: set[int] = set()
    inner: object = receiver
    while inner is not None and id(inner) not in seen and len(seen) < _DEEPEST:
        yield inner
        seen.add(id(inner))
        if issubclass(type(inner), partial):
            inner = cast("partial[Any]", inner).func
        elif issubclass(type(inner), MethodType):
            inner = cast(MethodType, inner).__func__
        else:
            inner = _own(inner).get("__wrapped__")


def _own(thing: object) -> Mapping[str, object]:
    """Return the attributes of an instance, past a ``__getattr__`` of its class; empty for a class."""
    if issubclass(type(thing), type):
        return {}
    try:
        own = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return own if isinstance(own, dict) else {}


def _form(layers: list[object]) -> Form:
    outer = type(layers[0])
    forms: tuple[tuple[type, Form], ...] = (
        (MethodType, Form.METHOD),
        (partial, Form.PARTIAL),
        (BuiltinFunctionType, Form.BUILTIN),
        (type, Form.CLASS),
    )
    for kind, form in forms:
        if issubclass(outer, kind):
            return form
    if len(layers) > 1 and not issubclass(outer, QueuedReceiver):
        return Form.DECORATED
    return Form.FUNCTION if issubclass(outer, FunctionType | QueuedReceiver) else Form.OBJECT


def _name_and_place(innermost: object) -> tuple[str, Place | None]:
    if issubclass(type(innermost), FunctionType):
        function = cast(FunctionType, innermost)
        return _dotted(function.__module__, function.__qualname__), place_of_function(function)
    if issubclass(type(innermost), BuiltinFunctionType):
        builtin = cast(BuiltinFunctionType, innermost)
        return _dotted(builtin.__module__, builtin.__qualname__), None
    cls = cast(type, innermost) if issubclass(type(innermost), type) else type(innermost)
    call = next((vars(one)["__call__"] for one in cls.__mro__ if "__call__" in vars(one)), None)
    if cls is not innermost and issubclass(type(call), FunctionType):
        return _dotted(cls.__module__, cls.__qualname__), place_of_function(cast(FunctionType, call))
    return _dotted(cls.__module__, cls.__qualname__), place_of_class(cls)


def _dotted(module: object, name: object) -> str:
    # whoever made the function may have put anything there
    return ".".join(part for part in (module, name) if isinstance(part, str) and part)


Value = str | int | float | bool | None | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option; ``value`` is the name of a function where it is one, and seconds where it is a time."""

    name: str
    value: Value
    is_given: bool  # False: the project's default

    def __str__(self) -> str:
        if isinstance(self.value, tuple):
            return f"{self.name}={', '.join(self.value) or '()'}"
        return f"{self.name}={self.value:g}" if isinstance(self.value, float) else f"{self.name}={self.value}"


def options_of(receiver: QueuedReceiver) -> tuple[Option, ...]:
    """Return every option with the value that it has now, those that were given first."""
    resolved = receiver.options
    found = (
        Option(
            name=field.name,
            value=_value(getattr(resolved, field.name)),
            is_given=getattr(resolved.given, field.name) is not None,
        )
        for field in fields(ReceiverOptions)
    )
    return tuple(sorted(found, key=lambda option: not option.is_given))


def _value(value: object) -> Value:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Collection):
        return tuple(sorted(map(str, value)))
    # a backoff of ours says what it is made of; whatever else is a function is known by its name
    return repr(value) if type(value).__module__ == backoff.__name__ else callee(value).name


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
