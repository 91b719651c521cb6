"""The options of a queued receiver: what it was given, over the project's defaults."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from datetime import timedelta
from inspect import iscoroutinefunction
from typing import Literal, TypedDict

from signals_app.backoff import Backoff
from signals_app.conf import Conf, conf
from signals_app.exceptions import ReceiverError

Missing = Literal["fail", "skip"]


class OptionArguments(TypedDict, total=False):
    """The keyword arguments that ``queued`` and ``queued_receiver`` take beside those of Django."""

    key: str
    queue: str
    priority: int
    max_attempts: int
    backoff: Backoff
    timeout: float
    delay: float | timedelta
    when: Callable[..., object]
    drop: Collection[str]
    snapshot: Collection[str]
    missing: Missing
    atomic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverOptions:
    """Options as given; None means the project's default, which is read at each use. Times are in seconds."""

    queue: str | None = None
    priority: int | None = None
    max_attempts: int | None = None
    backoff: Backoff | None = None
    timeout: float | None = None
    delay: float | None = None
    when: Callable[..., object] | None = None
    drop: tuple[str, ...] | None = None
    snapshot: tuple[str, ...] | None = None
    missing: Missing | None = None
    atomic: bool | None = None

    def __post_init__(self) -> None:
        known = Conf.known()
        for field in fields(self):
            value = getattr(self, field.name)
            setting = known[field.name.upper()]
            if value is not None and not setting.accepts(value):
                raise ReceiverError(f"{field.name}={value!r} is not {setting.takes}.")
        if iscoroutinefunction(self.when):
            raise ReceiverError("when is asked at send(), where nothing can be awaited; give it a plain function.")

    @classmethod
    def given(cls, arguments: OptionArguments) -> ReceiverOptions:
        """Read keyword arguments. Raises ReceiverError for an unknown one or a value that it does not take."""
        values = {name: value for name, value in arguments.items() if name != "key"}
        unknown = sorted(values.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise ReceiverError(
                f"Unknown option {unknown[0]!r}; a queued receiver takes key, "
                f"{', '.join(field.name for field in fields(cls))}."
            )
        if isinstance(delay := values.get("delay"), timedelta):
            values["delay"] = delay.total_seconds()
        for name in ("drop", "snapshot"):
            names = values.get(name)
            if isinstance(names, str):
                raise ReceiverError(f"{name}={names!r} is a string; write {name}=({names!r},).")
            if isinstance(names, Collection):
                values[name] = tuple(names)
        return cls(**values)  # type: ignore[arg-type]  # __post_init__ checks each value


class Resolved:
    """Reads an option: as given, else the project's default of this moment."""

    __slots__ = ("given",)

    def __init__(self, given: ReceiverOptions) -> None:
        self.given = given

    @property
    def queue(self) -> str:
        """The cluster whose workers run the receiver."""
        return self.given.queue or conf.queue

    @property
    def priority(self) -> int:
        """Higher runs first."""
        return conf.priority if self.given.priority is None else self.given.priority

    @property
    def max_attempts(self) -> int:
        """After how many bad ends a delivery is FAILED."""
        return self.given.max_attempts or conf.max_attempts

    @property
    def backoff(self) -> Backoff:
        """Seconds to wait before the next attempt."""
        return self.given.backoff or conf.backoff

    @property
    def timeout(self) -> float:
        """Seconds after which an attempt is ended."""
        return self.given.timeout or conf.timeout

    @property
    def delay(self) -> float:
        """Seconds between the hand-off and the first attempt."""
        return conf.delay if self.given.delay is None else self.given.delay

    @property
    def when(self) -> Callable[..., object] | None:
        """Called at send with what the receiver would get; a false answer means no delivery."""
        return self.given.when or conf.when

    @property
    def drop(self) -> Collection[str]:
        """Names of arguments that do not travel."""
        return conf.drop if self.given.drop is None else self.given.drop

    @property
    def snapshot(self) -> Collection[str]:
        """Names of model arguments that travel by value."""
        return conf.snapshot if self.given.snapshot is None else self.given.snapshot

    @property
    def missing(self) -> str:
        """What becomes of a delivery whose object is gone."""
        return self.given.missing or conf.missing

    @property
    def atomic(self) -> bool:
        """Whether the receiver's writes and its success commit together."""
        return conf.atomic if self.given.atomic is None else self.given.atomic
