"""The settings: ``SIGNALS_APP``, and what is needed of ``Q_CLUSTER``."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeGuard, TypeVar, overload

from django.conf import settings
from django.core import mail
from django.core.signals import setting_changed
from django.db import DEFAULT_DB_ALIAS

from signals_app.backoff import Backoff, exponential

DEFAULT: Mapping[str, float | None] = {"SUCCESSFUL": 7, "FAILED": 90, "CANCELLED": 30, "MERGED": 7}  # days


def limits(given: Mapping[str, float | None] | None) -> dict[str, float]:
    """Return the days for which each state is kept, without those kept for ever; one left out has its default."""
    wanted = {} if given is None else {**DEFAULT, **given}
    return {state: days for state, days in wanted.items() if days is not None}


VARIABLE = "Q_CLUSTER_NAME"  # of the environment; says which cluster a process is
BROKER = "signals_app.cluster.broker.DeliveryBroker"
TIMEOUT, RETRY = 60, 90  # seconds, for plain tasks of Django-Q
POLL = 1.0  # seconds; Django-Q's own 0.2 is for those whom nobody wakes
_BEFORE_ORM, _AFTER_ORM = ("iron_mq", "sqs"), ("mongo", "redis", "django_redis")  # in the order in which Django-Q asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One cluster: ``written`` holds for it, of which ``own`` is written for it alone, at ``place``."""

    name: str
    place: str
    own: Mapping[str, Any]
    written: Mapping[str, Any]
    is_main: bool = False

    @property
    def values(self) -> Mapping[str, Any]:
        """What is written, and what it is given beside that."""
        return {**defaults(self.written), **self.written}

    def decides(self, *keys: str) -> bool:
        """Return whether a problem with these keys is this cluster's own; the main one answers for what all share."""
        return self.is_main or any(key in self.own for key in keys)


def q_cluster() -> Mapping[str, Any]:
    """Return the project's ``Q_CLUSTER`` as written; empty where there is none."""
    value = getattr(settings, "Q_CLUSTER", {})
    return value if isinstance(value, Mapping) else {}


def defaults(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a cluster is given beside the settings that are written for it.

    A task is given out again after its retry, so its timeout is less: each follows from the other where one is written.
    Settings that name another broker of Django-Q's keep it; a check says what that means.
    """
    timeout, retry = written.get("timeout", TIMEOUT), written.get("retry", RETRY)
    given: dict[str, Any] = {
        "timeout": max(1, int(retry * TIMEOUT / RETRY)) if is_seconds(retry) else TIMEOUT,
        "retry": max(RETRY, math.ceil(timeout * RETRY / TIMEOUT)) if is_seconds(timeout) else RETRY,
    }
    if "broker_class" in written or other_broker(written) is None:
        given |= {"broker_class": BROKER, "orm": DEFAULT_DB_ALIAS, "poll": POLL}
    return {key: value for key, value in given.items() if key not in written}


def other_broker(written: Mapping[str, Any]) -> str | None:
    """Return the key by which a cluster's settings name a broker of Django-Q's other than that of the database."""
    others = _BEFORE_ORM if "orm" in written else _BEFORE_ORM + _AFTER_ORM
    return next((key for key in others if key in written), None)


def is_test_run() -> bool:
    """Return whether this process has Django's test environment, which collects mail in an outbox."""
    return hasattr(mail, "outbox")


def main_queue() -> str:
    """Return the name of the main cluster, which is the default queue."""
    cluster = q_cluster()
    return str(cluster.get("cluster_name") or cluster.get("name") or "default")


def named_here() -> str:
    """Return the name of the cluster that the environment names; "" for none, or the main one."""
    name, cluster = os.environ.get(VARIABLE, ""), q_cluster()
    return "" if name in (cluster.get("name"), cluster.get("cluster_name")) else name


def clusters() -> list[Cluster]:
    """Return the main cluster, then those of ``ALT_CLUSTERS``. What is no dict there says nothing to Django-Q."""
    shared = {key: value for key, value in q_cluster().items() if key != "ALT_CLUSTERS"}
    found = [Cluster(name=main_queue(), place="Q_CLUSTER", own=shared, written=shared, is_main=True)]
    others = q_cluster().get("ALT_CLUSTERS")
    for name, given in (others if isinstance(others, dict) else {}).items():
        own = given if isinstance(given, dict) else {}
        place = f"Q_CLUSTER['ALT_CLUSTERS'][{name!r}]"
        found.append(Cluster(name=str(name), place=place, own=own, written=shared | own))
    return found


def cluster_here() -> Cluster:
    """Return the cluster whose settings hold in this process."""
    main, *others = clusters()
    return next((cluster for cluster in others if cluster.name == named_here()), main)


def line_of_cluster(name: str) -> str:
    """Return the line of settings that adds a cluster, for hints."""
    if not q_cluster():
        return f'Q_CLUSTER = {{"ALT_CLUSTERS": {{"{name}": {{}}}}}}'
    if not isinstance(q_cluster().get("ALT_CLUSTERS"), dict):
        return f'Q_CLUSTER["ALT_CLUSTERS"] = {{"{name}": {{}}}}'
    return f'Q_CLUSTER["ALT_CLUSTERS"]["{name}"] = {{}}'


T = TypeVar("T")
KeyOf = str | Callable[..., object]  # the name of an argument, or a function of the signal and its arguments

_SECRETS = (
    "password passwd passphrase passcode pass pwd pw db_pass pin otp totp secret token key apikey passkey "
    "auth authorization credential cred cookie session_id jwt dsn connection_string sig signature mnemonic seed_phrase "
    "security_code verification_code recovery_code backup_code cvv cvc card card_number cc_number pan "
    "account_number iban ssn"
)
LONGEST = 10 * 365 * 86_400  # seconds in ten years, the most that any setting or option takes


class Setting(Generic[T]):
    """One key of ``SIGNALS_APP``: its default and the sentence that says what it takes. A secret one is not shown.

    An instance that has a value of its own, as a receiver's options do, is asked first.
    """

    def __init__(self, default: T, takes: str, accepts: Callable[[Any], bool], *, secret: bool = False) -> None:
        self.default = default
        self.takes = takes
        self.accepts = accepts
        self.secret = secret
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name
        self.key = name.upper()

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, instance: Defaults, owner: type) -> T: ...
    def __get__(self, instance: Defaults | None, owner: type) -> Setting[T] | T:
        if instance is None:
            return self
        if instance.own and (own := instance.own.get(self.name)) is not None:
            return own  # type: ignore[no-any-return]
        value: T = given().get(self.key, self.default)
        return value


class _Queue(Setting[str]):
    """Where nobody names a queue it is the main cluster's."""

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[str]: ...
    @overload
    def __get__(self, instance: Defaults, owner: type) -> str: ...
    def __get__(self, instance: Defaults | None, owner: type) -> Setting[str] | str:
        return super().__get__(instance, owner) or main_queue()


@cache  # each send() reads a dozen settings; one that a project left out costs Django an exception to look up
def given() -> Mapping[str, Any]:
    """Return the project's ``SIGNALS_APP``; empty where there is none, or what is no dict."""
    value = getattr(settings, "SIGNALS_APP", {})
    return value if isinstance(value, Mapping) else {}


def _forget(setting: str, **kwargs: Any) -> None:
    if setting == "SIGNALS_APP":
        given.cache_clear()


setting_changed.connect(_forget, dispatch_uid="signals_app.conf")


def is_seconds(value: object) -> TypeGuard[float]:
    """Return whether a value is a number, as Django-Q's times are."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_number(value: Any, kind: Any, least: float, most: float) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and least <= value <= most


def _is_positive(value: Any) -> bool:
    return _is_number(value, int | float, 0, LONGEST) and value > 0


def is_queue(value: Any) -> TypeGuard[str]:
    return isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable()


def _is_empty_or(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and (not value or re.fullmatch(pattern, value) is not None)


def _are_all(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple | list | set | frozenset) and all(map(accepts, value))


def _is_retention(value: Any) -> bool:
    return value is None or (
        isinstance(value, Mapping)
        and all(
            state in DEFAULT and (days is None or _is_number(days, int | float, 0, 36_500))
            for state, days in value.items()
        )
    )


# what a setting takes, in words and as a function
_POSITIVE = ("seconds, more than 0 and at most ten years", _is_positive)
_SECONDS = ("seconds, 0 to ten years", lambda value: _is_number(value, int | float, 0, LONGEST))
_COUNT = ("a whole number, 1 or more", lambda value: _is_number(value, int, 1, 2**31 - 1))
_BOOL = ("True or False", lambda value: isinstance(value, bool))
_KEY = (
    "a callable, the name of an argument, or None",
    lambda v: v is None or callable(v) or (isinstance(v, str) and v.isidentifier()),
)
_NAMES = ("a tuple of argument names", _are_all(lambda name: isinstance(name, str)))


class Defaults:
    """The settings that a receiver may have as options of its own."""

    own: Mapping[str, Any] = {}

    queue = _Queue("", "a cluster name, 1 to 100 printable characters", is_queue)
    priority = Setting[int](
        0,
        "a whole number from -32768 to 32767; higher runs first",
        lambda value: _is_number(value, int, -(2**15), 2**15 - 1),
    )
    max_attempts = Setting[int](5, *_COUNT)
    backoff = Setting[Backoff](exponential(), "a callable: attempts so far -> seconds", callable)
    timeout = Setting[float](60.0, *_POSITIVE)
    delay = Setting[float](0.0, *_SECONDS)
    expires = Setting[float](0.0, *_SECONDS)
    coalesce = Setting[KeyOf | None](None, *_KEY)
    debounce = Setting[float](0.0, *_SECONDS)
    max_wait = Setting[float](0.0, *_SECONDS)
    lane = Setting[KeyOf | None](None, *_KEY)
    concurrency = Setting[int](
        0, "a whole number, 0 to 1000; 0 is no limit", lambda value: _is_number(value, int, 0, 1000)
    )
    on_failure = Setting[str]("pass", '"pass" or "block"', lambda value: value in ("pass", "block"))
    rate = Setting[str](
        "", 'a rate such as "100/m", of s, m, h or d, or an empty text', _is_empty_or(r"[1-9]\d{0,6}/[smhd]")
    )
    rate_key = Setting[KeyOf | None](None, *_KEY)
    burst = Setting[int](1, *_COUNT)
    when = Setting[Callable[..., object] | None](None, "a callable or None", lambda v: v is None or callable(v))
    drop = Setting[Collection[str]]((), *_NAMES)
    snapshot = Setting[Collection[str]]((), *_NAMES)
    missing = Setting[str]("fail", '"fail" or "skip"', lambda v: v in ("fail", "skip"))
    atomic = Setting[bool](False, *_BOOL)

    @classmethod
    def known(cls) -> dict[str, Setting[Any]]:
        """Return every setting by its key."""
        return {s.key: s for base in reversed(cls.__mro__) for s in vars(base).values() if isinstance(s, Setting)}


class Conf(Defaults):
    autodiscover = Setting[bool](True, *_BOOL)
    prepare_sqlite = Setting[bool](True, *_BOOL)
    django_q_admin = Setting[bool](False, *_BOOL)
    context = Setting[str]("", "the dotted path of a class, or an empty text", _is_empty_or(r"\w+(\.\w+)+"))
    max_depth = Setting[int](20, *_COUNT)
    immediate = Setting[bool](False, *_BOOL)
    max_payload = Setting[int](65_536, "bytes of JSON, 1 or more", _COUNT[1])
    lease = Setting[float](30.0, *_POSITIVE)
    heartbeat = Setting[float](5.0, *_POSITIVE)
    time_slice = Setting[float](1.0, *_POSITIVE)
    batch = Setting[int](16, "the most deliveries one claim takes, 1 or more", _COUNT[1])
    grace = Setting[float](5.0, *_SECONDS)
    unroutable_delay = Setting[float](30.0, *_POSITIVE)
    mask = Setting[tuple[str, ...]](tuple(_SECRETS.split()), "a tuple of words", _NAMES[1])
    keep = Setting[Mapping[str, float | None] | None](
        DEFAULT,
        "None, or a dict of final states with days, 0 to 36500, or None, for each",
        _is_retention,
    )
    stop_within = Setting[float](75.0, *_POSITIVE)
    stall = Setting[float](15.0, *_POSITIVE)
    metrics_token = Setting[str](
        "", "16 or more visible ASCII characters, or an empty text", _is_empty_or("[!-~]{16,}"), secret=True
    )
    health_max_wait = Setting[float](300.0, *_POSITIVE)
    health_max_failing = Setting[float](
        25.0, "percent, 0 to 100; 100 allows all", lambda value: _is_number(value, int | float, 0, 100)
    )
    on_demand_queues = Setting[tuple[str, ...]]((), "a tuple of cluster names", _are_all(is_queue))
    trace_url = Setting[str](
        "", "an address with {trace_id} in it, or an empty text", _is_empty_or(r"https?://\S*\{trace_id\}\S*")
    )


conf = Conf()
