"""What a receiver is, whatever it was made of; nothing is called and nothing lazy is evaluated to find out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, cast
from weakref import WeakMethod

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from signals_app.dispatcher import QueuedReceiver
from signals_app.introspection.places import Place, place_of_class, place_of_function

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
