"""What a receiver is, whatever it was made of: its name, its form and its place in the code.

Types are compared by ``issubclass(type(...), ...)``, for ``isinstance()`` would evaluate a lazy object.
"""

from __future__ import annotations

import linecache
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, TypeGuard, TypeVar
from weakref import WeakMethod

from django.conf import settings
from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from signals_app.dispatcher import QueuedReceiver
from signals_app.payloads.names import namespace

T = TypeVar("T")

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
    queued = next((one for one in layers if is_a(one, QueuedReceiver)), None)
    name, place = _name_and_place(layers[-1])
    return Callee(name=queued.key if queued else name, form=_form(layers), place=place, queued=queued)


def gone(reference: object) -> Callee:
    """Describe a receiver that a dead weak reference pointed to: of a method, its function may still be known."""
    function = getattr(reference, "_func_ref", lambda: None)() if is_a(reference, WeakMethod) else None
    name, place = ("", None) if function is None else _name_and_place(function)
    return Callee(name=name, form=Form.GONE, place=place)


def is_a(thing: object, kind: type[T]) -> TypeGuard[T]:
    """Tell whether a thing is of a kind, and ask nothing of it."""
    return issubclass(type(thing), kind)


def _layers(receiver: object) -> Iterator[object]:
    """Yield a callable and what it wraps, outermost first."""
    seen: set[int] = set()
    inner: Any = receiver
    while inner is not None and id(inner) not in seen and len(seen) < _DEEPEST:
        yield inner
        seen.add(id(inner))
        if is_a(inner, partial):
            inner = inner.func
        elif is_a(inner, MethodType):
            inner = inner.__func__
        else:
            inner = _own(inner).get("__wrapped__")


def _own(thing: object) -> Mapping[str, object]:
    """Return the attributes of an instance, past a ``__getattr__`` of its class; empty for a class."""
    if is_a(thing, type):
        return {}
    try:
        own = object.__getattribute__(thing, "__dict__")
    except AttributeError:
        return {}
    return own if isinstance(own, dict) else {}


_FORMS = {MethodType: Form.METHOD, partial: Form.PARTIAL, BuiltinFunctionType: Form.BUILTIN, type: Form.CLASS}


def _form(layers: list[object]) -> Form:
    outer = type(layers[0])
    for kind, form in _FORMS.items():
        if issubclass(outer, kind):
            return form
    if len(layers) > 1 and not issubclass(outer, QueuedReceiver):
        return Form.DECORATED
    return Form.FUNCTION if issubclass(outer, FunctionType | QueuedReceiver) else Form.OBJECT


def _name_and_place(innermost: object) -> tuple[str, Place | None]:
    if is_a(innermost, FunctionType):
        return _dotted(innermost), place_of_function(innermost)
    if is_a(innermost, BuiltinFunctionType):
        return _dotted(innermost), None
    if is_a(innermost, type):
        return _dotted(innermost), place_of_class(innermost)
    cls = type(innermost)
    call = next((vars(one)["__call__"] for one in cls.__mro__ if "__call__" in vars(one)), None)
    return _dotted(cls), place_of_function(call) if is_a(call, FunctionType) else place_of_class(cls)


def _dotted(made: Any) -> str:
    # whoever made the function may have put anything there
    return ".".join(part for part in (made.__module__, made.__qualname__) if isinstance(part, str) and part)
