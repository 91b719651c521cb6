"""The ``SIGNALS_APP`` setting, as typed properties that read it afresh each time (``override_settings`` works)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Generic, TypeGuard, TypeVar, overload

from django.conf import settings
from django.core.signals import setting_changed

from signals_app.backoff import Backoff, exponential
from signals_app.q_cluster import main_queue
from signals_app.retention import DEFAULT, Keep, is_retention

T = TypeVar("T")

_SECRETS = (
    "password passwd passphrase passcode pass pwd pw db_pass pin otp totp secret token key apikey passkey "
    "auth authorization credential cred cookie session_id jwt dsn connection_string sig signature mnemonic seed_phrase "
    "security_code verification_code recovery_code backup_code cvv cvc card card_number cc_number pan "
    "account_number iban ssn"
)
LONGEST = 10 * 365 * 86_400  # seconds in ten years, the most that any setting or option takes


class Setting(Generic[T]):
    """One key of ``SIGNALS_APP``: its default and the sentence that says what it takes. A secret one is not shown."""

    def __init__(self, default: T, takes: str, accepts: Callable[[Any], bool], *, secret: bool = False) -> None:
        self.default = default
        self.takes = takes
        self.accepts = accepts
        self.secret = secret
        self.key = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.key = name.upper()

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object, owner: type) -> Setting[T] | T:
        if instance is None:
            return self
        value: T = given().get(self.key, self.default)
        return value


@cache  # each send() reads a dozen settings; one that a project left out costs Django an exception to look up
def given() -> Mapping[str, Any]:
    """Return the project's ``SIGNALS_APP`` as written; empty where there is none."""
    value: Mapping[str, Any] = getattr(settings, "SIGNALS_APP", {})
    return value


def _forget(setting: str, **kwargs: Any) -> None:
    if setting == "SIGNALS_APP":
        given.cache_clear()


setting_changed.connect(_forget, dispatch_uid="signals_app.conf")


def is_seconds(value: Any) -> bool:
    """Tell whether value is a number of seconds that every database and timer can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= LONGEST


def _is_positive(value: Any) -> bool:
    return is_seconds(value) and value > 0


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31


def _is_priority(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**15) <= value < 2**15


def is_queue(value: Any) -> TypeGuard[str]:
    """Tell whether value can be the name of a queue."""
    return isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and (not value or re.fullmatch(r"\w+(\.\w+)+", value) is not None)


def _is_trace_url(value: Any) -> bool:
    return isinstance(value, str) and (not value or re.fullmatch(r"https?://\S*\{trace_id\}\S*", value) is not None)


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and (not value or re.fullmatch(r"[!-~]{16,}", value) is not None)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_names(value: Any) -> bool:
    return isinstance(value, tuple | list | set | frozenset) and all(isinstance(n, str) for n in value)


def _is_queues(value: Any) -> bool:
    return isinstance(value, tuple | list | set | frozenset) and all(is_queue(name) for name in value)


class Conf:
    """Every setting of the app. The first block holds the project-wide defaults of the receiver options."""

    priority = Setting[int](0, "a whole number from -32768 to 32767; higher runs first", _is_priority)
    max_attempts = Setting[int](5, "a whole number, 1 or more", _is_count)
    backoff = Setting[Backoff](exponential(), "a callable: attempts so far -> seconds", callable)
    timeout = Setting[float](60.0, "seconds, more than 0 and at most ten years", _is_positive)
    delay = Setting[float](0.0, "seconds, 0 to ten years", is_seconds)
    when = Setting[Callable[..., bool] | None](None, "a callable or None", lambda v: v is None or callable(v))
    drop = Setting[tuple[str, ...]]((), "a tuple of argument names", _is_names)
    snapshot = Setting[tuple[str, ...]]((), "a tuple of argument names", _is_names)
    missing = Setting[str]("fail", '"fail" or "skip"', lambda v: v in ("fail", "skip"))
    atomic = Setting[bool](False, "True or False", _is_bool)

    context = Setting[str]("", "the dotted path of a class, or an empty text", _is_path)
    max_depth = Setting[int](20, "a whole number, 1 or more", _is_count)
    immediate = Setting[bool](False, "True or False", _is_bool)
    max_payload = Setting[int](65_536, "bytes of JSON, 1 or more", _is_count)
    lease = Setting[float](30.0, "seconds, more than 0 and at most ten years", _is_positive)
    heartbeat = Setting[float](5.0, "seconds, more than 0 and at most ten years", _is_positive)
    time_slice = Setting[float](1.0, "seconds, more than 0 and at most ten years", _is_positive)
    batch = Setting[int](16, "the most deliveries one claim takes, 1 or more", _is_count)
    grace = Setting[float](5.0, "seconds, 0 to ten years", is_seconds)
    unroutable_delay = Setting[float](30.0, "seconds, more than 0 and at most ten years", _is_positive)
    mask = Setting[tuple[str, ...]](tuple(_SECRETS.split()), "a tuple of words", _is_names)
    keep = Setting[Mapping[str, Keep | None] | None](
        DEFAULT, "None, or a dict of final states with a Keep of days and a number, or None, for each", is_retention
    )
    stop_within = Setting[float](75.0, "seconds, more than 0 and at most ten years", _is_positive)
    stall = Setting[float](15.0, "seconds, more than 0 and at most ten years", _is_positive)
    metrics_token = Setting[str]("", "16 or more visible ASCII characters, or an empty text", _is_token, secret=True)
    health_max_wait = Setting[float](300.0, "seconds, more than 0 and at most ten years", _is_positive)
    on_demand_queues = Setting[tuple[str, ...]]((), "a tuple of cluster names", _is_queues)
    trace_url = Setting[str]("", "an address with {trace_id} in it, or an empty text", _is_trace_url)

    @property
    def queue(self) -> str:
        """The queue of receivers that name none: ``SIGNALS_APP["QUEUE"]``, else the cluster's name in ``Q_CLUSTER``."""
        return str(given().get("QUEUE") or main_queue())

    @classmethod
    def known(cls) -> dict[str, Setting[Any]]:
        """Return every key that ``SIGNALS_APP`` may have, with what it takes."""
        found = {s.key: s for s in vars(cls).values() if isinstance(s, Setting)}
        queue = Setting[str]("", "a cluster name, 1 to 100 printable characters", is_queue)
        queue.key = "QUEUE"
        return {**found, "QUEUE": queue}


conf = Conf()
