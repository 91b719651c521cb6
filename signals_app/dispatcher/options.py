"""The options of a queued receiver: what it was given, over the project's defaults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from hashlib import sha256
from inspect import iscoroutinefunction
from typing import Any, Literal, TypedDict, Unpack

from django.db.models import Model

from signals_app.backoff import Backoff
from signals_app.conf import Defaults, KeyOf
from signals_app.exceptions import ReceiverError

Missing = Literal["fail", "skip"]
OnFailure = Literal["pass", "block"]
LONGEST_KEY = 255  # characters
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
TIMES = ("expires", "delay", "debounce", "max_wait")


class OptionArguments(TypedDict, total=False):
    """The keyword arguments that ``queued`` and ``queued_receiver`` take beside those of Django.

    Each, but ``key``, is declared in ``conf.Defaults``, with its default and what it takes.
    """

    key: str
    queue: str
    priority: int
    max_attempts: int
    backoff: Backoff
    timeout: float
    delay: float | timedelta
    expires: float | timedelta
    coalesce: KeyOf
    debounce: float | timedelta
    max_wait: float | timedelta
    lane: KeyOf
    concurrency: int
    on_failure: OnFailure
    rate: str
    rate_key: KeyOf
    burst: int
    when: Callable[..., object]
    drop: Collection[str]
    snapshot: Collection[str]
    missing: Missing
    atomic: bool


class ReceiverOptions(Defaults):
    """Options of a receiver: as given, else the project's default, which is read at each use. Times are in seconds."""

    def __init__(self, **arguments: Unpack[OptionArguments]) -> None:
        """Raise ReceiverError for an unknown option or a value that it does not take. None is not given."""
        known = {setting.name: setting for setting in self.known().values()}
        if unknown := sorted(arguments.keys() - known.keys() - {"key"}):
            raise ReceiverError(f"Unknown option {unknown[0]!r}; a queued receiver takes key, {', '.join(known)}.")
        own: dict[str, Any] = {name: value for name, value in arguments.items() if value is not None and name != "key"}
        for name, value in own.items():
            if isinstance(value, timedelta) and name in TIMES:
                own[name] = value.total_seconds()
            elif isinstance(value, Collection) and name in ("drop", "snapshot"):
                if isinstance(value, str):
                    raise ReceiverError(f"{name}={value!r} is a string; write {name}=({value!r},).")
                own[name] = tuple(value)
            if not known[name].accepts(own[name]):
                raise ReceiverError(f"{name}={own[name]!r} is not {known[name].takes}.")
        if iscoroutinefunction(own.get("when")):
            raise ReceiverError("when is asked at send(), where nothing can be awaited; give it a plain function.")
        if conflict := conflict_of(own) or _misplaced(own):
            raise ReceiverError(conflict)
        self.own = own

    @property
    def interval(self) -> float:
        """The seconds from one turn by ``rate`` to the next; 0 where there is no rate."""
        count, _, unit = self.rate.partition("/")
        return _UNITS[unit] / int(count) if unit else 0.0


def conflict_of(values: Mapping[str, Any]) -> str:
    """Return the sentence that says which options of a receiver exclude each other; "" where none do."""
    expires, delay, debounce, max_wait = (values.get(name, 0) for name in TIMES)
    for name in ("debounce", "max_wait"):
        if values.get(name) and "coalesce" not in values:
            return f"{name}={values[name]:g} needs coalesce=..., which says what is run as one."
    if delay and debounce:
        return f"delay={delay:g} and debounce={debounce:g} both say when it is due; give it one of them."
    if 0 < max_wait < debounce:
        return f"max_wait={max_wait:g} is less than debounce={debounce:g}, so it would never wait for quiet."
    for name, wait in (("delay", delay), ("debounce", debounce)):
        if 0 < expires <= wait:
            return f"expires={expires:g} is not more than {name}={wait:g}, so it would never run."
    return ""


def _misplaced(own: Mapping[str, Any]) -> str:
    """Return the sentence that says which option is of no use without another; "" where none is."""
    if unused := [name for name in ("rate_key", "burst") if name in own and not own.get("rate")]:
        return f'{unused[0]}={own[unused[0]]!r} needs a rate beside it, such as rate="100/m".'
    if own.get("on_failure") == "block" and (own.get("concurrency") or not own.get("lane")):
        return 'on_failure="block" is for a lane in order: give the receiver lane=..., and no concurrency.'
    return ""


def key_of(spec: KeyOf, arguments: Mapping[str, object], **sent: object) -> str:
    """Return what ``coalesce``, ``lane`` or ``rate_key`` makes of the arguments of a signal; "" where it makes None.

    An instance is known by its model and primary key, anything else by its text. A long one is known by its hash.
    """
    value = arguments[spec] if isinstance(spec, str) else spec(**sent, **arguments)
    if value is None:
        return ""
    text = f"{value._meta.label} {value.pk}" if isinstance(value, Model) else str(value)
    return text if len(text) <= LONGEST_KEY and text.isprintable() else sha256(text.encode()).hexdigest()
