"""The SIGNALS_APP setting."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings

from signals_app.backoff import exponential, fixed
from signals_app.conf import Conf, Keep, conf, is_seconds

DEFAULTS = {
    "priority": 0,
    "max_attempts": 5,
    "backoff": exponential(),
    "timeout": 60.0,
    "delay": 0.0,
    "when": None,
    "drop": (),
    "snapshot": (),
    "missing": "fail",
    "atomic": False,
    "context": "",
    "max_depth": 20,
    "immediate": False,
    "max_payload": 65_536,
    "lease": 30.0,
    "heartbeat": 5.0,
    "time_slice": 1.0,
    "batch": 16,
    "grace": 5.0,
    "unroutable_delay": 30.0,
    "mask": (
        *("password", "passwd", "passphrase", "passcode", "pass", "pwd", "pw", "db_pass", "pin", "otp", "totp"),
        *("secret", "token", "key", "apikey", "passkey", "auth", "authorization", "credential", "cred", "cookie"),
        *("session_id", "jwt", "dsn", "connection_string", "sig", "signature", "mnemonic", "seed_phrase"),
        *("security_code", "verification_code", "recovery_code", "backup_code", "cvv", "cvc", "card", "card_number"),
        *("cc_number", "pan", "account_number", "iban", "ssn"),
    ),
    "keep": {
        "SUCCESSFUL": Keep(days=7, number=1_000_000),
        "FAILED": Keep(days=90),
        "CANCELLED": Keep(days=30),
    },
    "stop_within": 75.0,
    "stall": 15.0,
    "metrics_token": "",
    "health_max_wait": 300.0,
    "on_demand_queues": (),
    "trace_url": "",
}


@override_settings(SIGNALS_APP={})
def test_nothing_set_gives_the_documented_defaults() -> None:
    assert {name: getattr(conf, name) for name in DEFAULTS} == DEFAULTS


def test_a_project_without_the_setting_gets_the_defaults() -> None:
    with override_settings(SIGNALS_APP={"MAX_ATTEMPTS": 9}):
        delattr(settings, "SIGNALS_APP")
        assert conf.max_attempts == 5


def test_every_setting_has_a_default_that_it_would_accept_itself() -> None:
    known = Conf.known()

    assert set(known) == {"QUEUE", *(name.upper() for name in DEFAULTS)}
    assert [key for key, setting in known.items() if key != "QUEUE" and not setting.accepts(setting.default)] == []


def test_a_setting_is_read_afresh_at_each_use() -> None:
    with override_settings(SIGNALS_APP={"MAX_ATTEMPTS": 2, "BACKOFF": fixed(3)}):
        assert (conf.max_attempts, conf.backoff) == (2, fixed(3))
        with override_settings(SIGNALS_APP={"TIMEOUT": 7}):
            assert (conf.max_attempts, conf.timeout) == (5, 7)
        assert (conf.max_attempts, conf.timeout) == (2, 60)
    assert conf.max_attempts == 5


@pytest.mark.parametrize(
    ("given", "cluster", "queue"),
    [
        ({"QUEUE": "mail"}, {"name": "site", "cluster_name": "big"}, "mail"),
        ({}, {"name": "site", "cluster_name": "big"}, "big"),
        ({}, {"name": "site"}, "site"),
        ({}, {}, "default"),
    ],
)
def test_the_queue_is_the_clusters_own_unless_another_is_named(
    given: dict[str, Any], cluster: dict[str, Any], queue: str
) -> None:
    with override_settings(SIGNALS_APP=given, Q_CLUSTER=cluster):
        assert conf.queue == queue


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        ("QUEUE", ["mail", "x" * 100], ["", "x" * 101, None, 5]),
        ("PRIORITY", [0, -5, 10], [1.5, "1", True, None]),
        ("MAX_ATTEMPTS", [1, 100], [0, -1, 2.0, True, "5"]),
        ("BACKOFF", [fixed(1), lambda attempts: 1.0], [5, "fixed", None]),
        ("TIMEOUT", [0.1, 60], [0, -1, float("inf"), float("nan"), True, "60"]),
        ("DELAY", [0, 1.5], [-1, float("inf"), float("nan"), False, "1"]),
        ("WHEN", [None, bool], [5, "when"]),
        ("DROP", [(), ["request"], {"request"}], ["request", (1,), None]),
        ("SNAPSHOT", [("instance",)], ["instance", (1,), None]),
        ("ON_DEMAND_QUEUES", [(), ["mail"], {"mail", "bulk"}], ["mail", ("",), ("a\0",), (5,), None]),
        ("CONTEXT", ["", "shop.contexts.Tenant"], ["Tenant", "shop.contexts:Tenant", "shop..Tenant", None, dict]),
        ("MAX_DEPTH", [1, 10**6], [0, -1, 2.5, None]),
        (
            "TRACE_URL",
            ["", "https://t.example.org/trace/{trace_id}", "http://t/?id={trace_id}&x=1"],
            [
                "https://t.example.org/",
                "javascript:alert('{trace_id}')",
                "/trace/{trace_id}",
                "https://t/ {trace_id}",
                None,
            ],
        ),
        ("MISSING", ["fail", "skip"], ["ignore", None, True]),
        ("ATOMIC", [True, False], [1, 0, "yes", None]),
        ("IMMEDIATE", [True, False], [1, "yes", None]),
        ("MAX_PAYLOAD", [1, 10**6], [0, -1, 1e6, None]),
        ("LEASE", [0.5, 30], [0, -1, "30"]),
        ("BATCH", [1, 16], [0, 1.5, True]),
        ("GRACE", [0, 5], [-1, None]),
        (
            "KEEP",
            [None, {}, {"FAILED": None}, {"SUCCESSFUL": Keep(days=0.5), "CANCELLED": Keep(number=0)}],
            [7, {"READY": None}, {"failed": None}, {"FAILED": 7}, {"FAILED": {"days": 7}}],
        ),
        (
            "KEEP",
            [{"FAILED": Keep()}, {"FAILED": Keep(days=36_500, number=2**31 - 1)}],
            [{"FAILED": Keep(days=-1)}, {"FAILED": Keep(days=float("inf"))}, {"FAILED": Keep(number=True)}],
        ),
    ],
)
def test_a_setting_accepts_the_right_values_only(key: str, right: list[Any], wrong: list[Any]) -> None:
    accepts = Conf.known()[key].accepts

    assert [value for value in right if not accepts(value)] == []
    assert [value for value in wrong if accepts(value)] == []


@pytest.mark.parametrize("key", ["PRIORITY", "MAX_ATTEMPTS", "TIMEOUT", "DELAY"])
def test_a_setting_refuses_what_the_database_or_the_clock_could_not_hold(key: str) -> None:
    assert not Conf.known()[key].accepts(10**15)


def test_seconds_are_numbers_from_zero_to_ten_years() -> None:
    assert is_seconds(0)
    assert is_seconds(0.25)
    assert is_seconds(10 * 365 * 86_400)
    assert [
        value for value in (-0.1, 11 * 365 * 86_400, float("inf"), float("nan"), True, "1", None) if is_seconds(value)
    ] == []
