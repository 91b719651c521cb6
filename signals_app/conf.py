"""The settings: ``SIGNALS_APP``, what is needed of ``Q_CLUSTER``, and how long ends are kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeGuard, TypeVar, overload

from django.conf import settings
from django.core.signals import setting_changed

from signals_app.backoff import Backoff, exponential

LONGEST_RETENTION = 36_500.0  # days
STATES = ("SUCCESSFUL", "FAILED", "CANCELLED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What is older than ``days`` is deleted, and what comes after the ``number`` newest; None is no limit."""

    days: float | None = None
    number: int | None = None

    @property
    def is_sound(self) -> bool:
        """Whether both are numbers that a database can compare with."""
        days, number = self.days, self.number
        return (days is None or (_is_number(days, int | float) and 0 <= days <= LONGEST_RETENTION)) and (
            number is None or (_is_number(number, int) and 0 <= number < 2**31)
        )


DEFAULT: Mapping[str, Keep | None] = {
    "SUCCESSFUL": Keep(days=7, number=1_000_000),
    "FAILED": Keep(days=90),
    "CANCELLED": Keep(days=30),
}


def is_retention(value: Any) -> bool:
    """Tell whether value is a dict of final states and what to keep of each, or None."""
    if value is None:
        return True
    return isinstance(value, Mapping) and all(
        state in STATES and (keep is None or (isinstance(keep, Keep) and keep.is_sound))
        for state, keep in value.items()
    )


def limits(given: Mapping[str, Keep | None] | None) -> dict[str, Keep]:
    """Return the states of which not everything is kept. A state that is left out has its default."""
    wanted = {} if given is None else {**DEFAULT, **given}
    return {state: keep for state, keep in wanted.items() if keep not in (None, Keep())}


def _is_number(value: object, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


VARIABLE = "Q_CLUSTER_NAME"  # of the environment; says which cluster a process is


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One cluster: ``values`` holds for it, ``own`` is the part that is said of it alone, at ``place``."""

    name: str
    place: str
    own: Mapping[str, Any]
    values: Mapping[str, Any]
    is_main: bool = False

    def decides(self, *keys: str) -> bool:
        """Tell whether any of these keys is this cluster's to say; the main one speaks for those that do not."""
        return self.is_main or any(key in self.own for key in keys)


def q_cluster() -> Mapping[str, Any]:
    """Return the project's ``Q_CLUSTER`` as written; empty where there is none."""
    value = getattr(settings, "Q_CLUSTER", {})
    return value if isinstance(value, Mapping) else {}


def main_queue() -> str:
    """Return the name of the main cluster, which is the default queue."""
    cluster = q_cluster()
    return str(cluster.get("cluster_name") or cluster.get("name") or "default")


def named_here() -> str:
    """Return the cluster that the environment names, "" where it names none beside the main one."""
    name, cluster = os.environ.get(VARIABLE, ""), q_cluster()
    return "" if name in (cluster.get("name"), cluster.get("cluster_name")) else name


def clusters() -> list[Cluster]:
    """Return the main cluster, then those of ``ALT_CLUSTERS``. What is no dict there says nothing to Django-Q."""
    shared = {key: value for key, value in q_cluster().items() if key != "ALT_CLUSTERS"}
    found = [Cluster(name=main_queue(), place="Q_CLUSTER", own=shared, values=shared, is_main=True)]
    others = q_cluster().get("ALT_CLUSTERS")
    for name, given in (others if isinstance(others, dict) else {}).items():
        own = given if isinstance(given, dict) else {}
        place = f"Q_CLUSTER['ALT_CLUSTERS'][{name!r}]"
        found.append(Cluster(name=str(name), place=place, own=own, values=shared | own))
    return found


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
