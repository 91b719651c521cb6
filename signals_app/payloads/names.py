"""Names of receivers, senders and classes, and whether a worker can import what a name stands for."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import cast
from weakref import WeakKeyDictionary

from django.apps import apps
from django.db.models import Model
from django.db.models.base import ModelBase
from django.dispatch import Signal

from signals_app.exceptions import ReceiverError
from signals_app.redaction import MASKED, beginning, has_secret_key
from signals_app.redaction.logs import one_line

LONGEST_LABEL = 255
_NAMED = (type, FunctionType, MethodType, BuiltinFunctionType)

_names: WeakKeyDictionary[Signal, str] = WeakKeyDictionary()
_nameless: WeakKeyDictionary[Signal, int] = WeakKeyDictionary()  # modules there were at the scan


def class_path(cls: type) -> str:
    """Return ``module:qualname``, which ``find_class`` takes."""
    return f"{cls.__module__}:{cls.__qualname__}"


def find_class(path: str) -> type:
    """Return the class of a ``module:qualname``.

    Looks in modules that are loaded, and imports none but those of Django and of the installed apps, so a forged path
    runs no foreign code. Raises LookupError where there is no such class.
    """
    module_name, _, qualname = path.partition(":")
    found: object = _module(module_name)
    for part in qualname.split("."):
        # straight from the namespace: a module's __getattr__ or a descriptor would run code
        found = namespace(found).get(part)
        if found is None:
            break
    if not issubclass(type(found), type):
        raise LookupError(
            f"There is no class {qualname!r} in the module {module_name!r}. "
            "Was it renamed or moved since the signal was sent?"
        )
    return cast(type, found)


def signal_name(signal: Signal) -> str:
    """Return ``module.name`` of the module-level name that holds this signal, or "" where none does.

    Of several, one of Django's comes first, then one in a module called ``signals``, the shortest, the first by name.
    """
    name = _names.get(signal)
    if name is None and _nameless.get(signal) != len(sys.modules):
        _scan()
        name = _names.get(signal)
        if name is None:
            _nameless[signal] = len(sys.modules)
    return name or ""


def find_signal(name: str) -> Signal | None:
    """Return the signal of a ``module.name``, looking where ``find_class`` looks; None where there is none."""
    module_name, _, attribute = name.rpartition(".")
    try:
        found = namespace(_module(module_name)).get(attribute)
    except LookupError:
        return None
    return cast(Signal, found) if issubclass(type(found), Signal) else None


def named_signals() -> list[tuple[Signal, str]]:
    """Return every signal that a loaded module holds, with its ``signal_name``, by name."""
    found = {id(signal): signal for signal, *_ in _signals()}.values()
    return sorted(((signal, signal_name(signal)) for signal in found), key=lambda pair: pair[1])


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
        return f"{obj._meta.label}({MASKED if has_secret_key(obj._meta.label) else _key(obj.pk)})"
    return obj.__name__ if isinstance(obj, ModuleType) else _label(obj.__class__)


def _key(key: object) -> str:
    try:
        return beginning(str(key), LONGEST_LABEL)
    except Exception:  # such as the limit of 4,300 digits
        return type(key).__qualname__


def _module(name: str) -> ModuleType:
    """Return a module that is loaded, or may be loaded. Raises LookupError for any other."""
    module = sys.modules.get(name)
    if module is not None:
        return module
    if not _may_import(name):
        raise LookupError(
            f"The module {name!r} is not loaded here and belongs to no installed app. "
            "Move what it defines into an app, or import it in an AppConfig.ready()."
        )
    try:
        return import_module(name)
    except Exception as error:  # whatever the module's own code raises
        raise LookupError(f"The module {name!r} cannot be imported: {error!r}.") from error


def _may_import(name: str) -> bool:
    # Django itself: request_finished is sent by WSGIHandler, which no worker has loaded
    packages = ["django", *(config.name for config in apps.get_app_configs())]
    return all(part.isidentifier() for part in name.split(".")) and any(
        name == package or name.startswith(f"{package}.") for package in packages
    )


def _scan() -> None:
    """Enter the best name of every signal that a loaded module holds."""
    best: dict[Signal, tuple[bool, bool, int, str]] = {}
    for signal, module_name, attribute in _signals():
        name = f"{module_name}.{attribute}"
        # Django's own modules hold no signals but their own; other apps import them from there
        elsewhere = not module_name.startswith("django.")
        rank = (elsewhere, module_name.rpartition(".")[2] != "signals", len(name), name)
        if signal not in best or rank < best[signal]:
            best[signal] = rank
    for signal, (*_, name) in best.items():
        _names.setdefault(signal, name)


def _signals() -> Iterator[tuple[Signal, str, str]]:
    for module_name, attribute, value in members():
        if issubclass(type(value), Signal):
            yield cast(Signal, value), module_name, attribute


_AT_MODULE_LEVEL = "with def at the top level of a module that every worker imports"
_CALLED = f"write a function that calls it, {_AT_MODULE_LEVEL}"


def require_importable(func: object) -> None:
    """Raise ReceiverError, with the cure, unless a worker could find this function and call it with any argument."""
    if isinstance(func, classmethod):
        raise ReceiverError(
            f"{func.__func__.__qualname__} is a classmethod, which has no class yet; make it a staticmethod."
        )
    if isinstance(func, Signal):
        raise ReceiverError("queued takes a function, not a signal; write @queued_receiver(signal) instead.")
    if not inspect.isroutine(func) or not hasattr(func, "__module__"):  # a method of C has none
        raise ReceiverError(f"{func!r} is not a function, so a worker could not find it by name; {_CALLED}.")
    name = f"{func.__module__}.{func.__qualname__}"
    owner = getattr(func, "__self__", None)
    if owner is not None and not isinstance(owner, type | ModuleType):
        raise ReceiverError(
            f"{name} is bound to an instance of {type(owner).__name__}, which exists in this process only; "
            f"write a function that makes or finds one and calls it, {_AT_MODULE_LEVEL}."
        )
    if "<lambda>" in func.__qualname__:
        raise ReceiverError(f"{name} is a lambda, which a worker cannot find by name; define it {_AT_MODULE_LEVEL}.")
    if "<locals>" in func.__qualname__:
        raise ReceiverError(
            f"{name} is nested in another function, so a worker cannot find it; define it {_AT_MODULE_LEVEL}. If a "
            "decorator returned it, put @functools.wraps above the function within the decorator."
        )
    if func.__module__ == "__main__":
        raise ReceiverError(
            f"{name} lives in the script that was started, which no worker imports; define it {_AT_MODULE_LEVEL}."
        )
    _require_call(func, name)


def required_arguments(func: Callable[..., object]) -> frozenset[str]:
    """Return the names, beside sender and signal, without which a function cannot be called."""
    # as it is called: a decorator may give what the function within takes
    called = func.__func__ if isinstance(func, staticmethod) else func
    try:
        parameters = inspect.signature(called, follow_wrapped=False).parameters.values()
    except ValueError:  # what functools.cache makes, for instance, takes anything and looks later
        return frozenset()
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(p.name for p in parameters if p.kind in plain and p.default is p.empty) - {"sender", "signal"}


def _require_call(func: Callable[..., object], name: str) -> None:
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise ReceiverError(f"{name} is a generator: calling it would run nothing. Return instead of yield.")
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except ValueError:  # of C, and it does not say
        parameters = []
    if not any(p.kind == p.VAR_KEYWORD for p in parameters):
        raise ReceiverError(f"{name} must accept keyword arguments; add **kwargs to its parameters, or {_CALLED}.")
    for p in parameters:
        if p.kind == p.POSITIONAL_ONLY or (p.name == "self" and p.default is p.empty):
            raise ReceiverError(
                f"{name} takes {p.name!r} by position, but a signal passes everything by keyword; "
                f"{'make it a staticmethod' if p.name == 'self' else 'drop the / from its parameters'}."
            )
