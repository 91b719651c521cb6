"""Names of signals, senders and classes, and what a name stands for in this process."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import cast
from weakref import WeakKeyDictionary

from django.apps import apps
from django.db.models import Model
from django.db.models.base import ModelBase
from django.dispatch import Signal

from signals_app.payloads.errors import Malformed
from signals_app.redaction import MASKED, beginning, has_secret_key
from signals_app.redaction.logs import one_line

LONGEST_LABEL = 255
_NO_CLASS = "names a class that is not here:"
_NAMED = (type, FunctionType, MethodType, BuiltinFunctionType)

_names: WeakKeyDictionary[Signal, str] = WeakKeyDictionary()
_nameless: WeakKeyDictionary[Signal, int] = WeakKeyDictionary()  # modules there were at the scan


def class_path(cls: type) -> str:
    """Return ``module:qualname``, which ``find_class`` takes."""
    return f"{cls.__module__}:{cls.__qualname__}"


def find_class(path: str) -> type:
    """Return the class of a ``module:qualname``. Raises Malformed where there is none.

    Looks in modules that are loaded, and imports none but those of Django and of the installed apps, so a forged path
    runs no foreign code.
    """
    module_name, _, qualname = path.partition(":")
    found: object = find_module(module_name)
    for part in qualname.split("."):
        # straight from the namespace: a module's __getattr__ or a descriptor would run code
        found = namespace(found).get(part)
        if found is None:
            break
    if not issubclass(type(found), type):
        raise Malformed(
            f"{_NO_CLASS} There is no class {qualname!r} in the module {module_name!r}. "
            "Was it renamed or moved since the signal was sent?"
        )
    return cast(type, found)


def signal_name(signal: Signal) -> str:
    """Return ``module.name`` of the module-level name that holds this signal, or "" where none does.

    Of several, one of Django's comes first, then one in a module called ``signals``, the shortest, the first by name.
    """
    name = _names.get(signal)
    if name is None and _nameless.get(signal) != len(sys.modules):
        for found, _, its_name in sorted(_signals(), key=_rank):
            _names.setdefault(found, its_name)
        _nameless[signal] = len(sys.modules)
        name = _names.get(signal)
    return name or ""


def find_signal(name: str) -> Signal | None:
    """Return the signal of a ``module.name``, looking where ``find_class`` looks; None where there is none."""
    module_name, _, attribute = name.rpartition(".")
    try:
        found = namespace(find_module(module_name)).get(attribute)
    except Malformed:
        return None
    return cast(Signal, found) if issubclass(type(found), Signal) else None


def named_signals() -> list[tuple[Signal, str]]:
    """Return every signal that a loaded module holds, with its ``signal_name``, by name."""
    return sorted({signal: signal_name(signal) for signal, *_ in _signals()}.items(), key=lambda pair: pair[1])


def members() -> Iterator[tuple[str, str, object]]:
    """Yield module name, attribute and value of everything that loaded modules hold; nothing lazy is evaluated."""
    for module_name, module in list(sys.modules.items()):
        for attribute, value in list(namespace(module).items()):
            yield module_name, attribute, value


def namespace(holder: object) -> Mapping[str, object]:
    """Return the attributes that a class or a module holds itself; empty for anything else. Runs no foreign code."""
    # types are compared, here and below, because isinstance() would evaluate a lazy object
    if issubclass(type(holder), type):
        return vars(holder)
    if issubclass(type(holder), ModuleType):
        # past the module's own __getattribute__, which would load a lazy module
        own: dict[str, object] = object.__getattribute__(holder, "__dict__")
        return own
    return {}


def is_historical(sender: object) -> bool:
    """Tell whether a sender is a model of a migration, which is in no app registry that a worker has."""
    return issubclass(type(sender), ModelBase) and getattr(getattr(sender, "_meta", None), "apps", apps) is not apps


def label(obj: object) -> str:
    """Return a short line of text for a sender, secrets masked, whatever it is or does.

    ``""`` for None, a string itself, ``shop.Order(5)``, ``module.name`` of a class or a function, else of its class.
    """
    try:
        text = _label(obj)
    except Exception:  # whatever a sender's own code raises
        text = _label(type(obj))
    return one_line(text)[:LONGEST_LABEL]


def _label(obj: object) -> str:
    if obj is None:
        return ""
    if isinstance(obj, str):
        return beginning(str(obj), LONGEST_LABEL)  # of a lazy one, too
    if isinstance(obj, _NAMED):
        return f"{obj.__module__}.{obj.__qualname__}"
    if isinstance(obj, Model):
        key = MASKED if has_secret_key(obj._meta.label) else beginning(str(obj.pk), LONGEST_LABEL)
        return f"{obj._meta.label}({key})"
    return obj.__name__ if isinstance(obj, ModuleType) else _label(obj.__class__)


def find_module(name: str) -> ModuleType:
    """Return a module that is loaded, or may be loaded as ``find_class`` says. Raises Malformed for any other."""
    if (module := sys.modules.get(name)) is not None:
        return module
    # Django itself as well: request_finished is sent by WSGIHandler, which no worker has loaded
    packages = ("django", *(config.name for config in apps.get_app_configs()))
    is_within = any(name == package or name.startswith(f"{package}.") for package in packages)
    if not is_within or not all(part.isidentifier() for part in name.split(".")):
        raise Malformed(
            f"{_NO_CLASS} The module {name!r} is not loaded here and belongs to no installed app. "
            "Move what it defines into an app, or import it in an AppConfig.ready()."
        )
    try:
        return import_module(name)
    except Exception as error:  # whatever the module's own code raises
        raise Malformed(f"{_NO_CLASS} The module {name!r} cannot be imported: {error!r}.") from error


def _signals() -> Iterator[tuple[Signal, str, str]]:
    """Yield signal, module and whole name of everything that loaded modules hold as a signal."""
    for module, attribute, value in members():
        if issubclass(type(value), Signal):
            yield cast(Signal, value), module, f"{module}.{attribute}"


def _rank(found: tuple[Signal, str, str]) -> tuple[bool, bool, int, str]:
    _, module, name = found
    # Django's own modules hold no signals but their own; other apps import them from there
    return not module.startswith("django."), module.rpartition(".")[2] != "signals", len(name), name
