"""The SIGNALS_APP setting. The defaults are those of its page in the docs, where they are tested."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from signals_app.backoff import fixed
from signals_app.conf import DEFAULT, LONGEST, Conf, conf, limits


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


SECONDS = [-1, LONGEST + 1, float("inf"), float("nan"), True, "60", None]  # are none


@pytest.mark.parametrize(
    ("key", "right", "wrong"),
    [
        ("QUEUE", ["mail", "x" * 100], ["", "x" * 101, "a\nb", None, 5]),
        ("PRIORITY", [0, -(2**15), 2**15 - 1], [1.5, "1", True, None, 2**15]),
        ("MAX_ATTEMPTS", [1, 100], [0, -1, 2.0, True, "5", 2**31]),
        ("BACKOFF", [fixed(1), lambda attempts: 1.0], [5, "fixed", None]),
        ("TIMEOUT", [0.1, 60, LONGEST], [0, *SECONDS]),
        ("DELAY", [0, 1.5, LONGEST], SECONDS),
        ("WHEN", [None, bool], [5, "when"]),
        ("DROP", [(), ["request"], {"request"}], ["request", (1,), None]),
        ("ON_DEMAND_QUEUES", [(), ["mail"], {"mail", "bulk"}], ["mail", ("",), ("a\0",), (5,), None]),
        ("CONTEXT", ["", "shop.contexts.Tenant"], ["Tenant", "shop.contexts:Tenant", "shop..Tenant", None, dict]),
        (
            "TRACE_URL",
            ["", "https://t.example.org/trace/{trace_id}", "http://t/?id={trace_id}&x=1"],
            ["https://t.org/", "javascript:alert('{trace_id}')", "/trace/{trace_id}", "https://t/ {trace_id}", None],
        ),
        ("METRICS_TOKEN", ["", "x" * 16], ["short", "with a space inside", "é" * 16, None]),
        ("MISSING", ["fail", "skip"], ["ignore", None, True]),
        ("ATOMIC", [True, False], [1, 0, "yes", None]),
        (
            "KEEP",
            [None, {}, {"FAILED": None}, {"SUCCESSFUL": 0.5, "CANCELLED": 0, "FAILED": 36_500}],
            [7, {"READY": None}, {"failed": None}, *({"FAILED": days} for days in ("7", -1, 36_501, True))],
        ),
    ],
)
def test_a_setting_accepts_the_right_values_only(key: str, right: list[Any], wrong: list[Any]) -> None:
    accepts = Conf.known()[key].accepts

    assert [value for value in right if not accepts(value)] == []
    assert [value for value in wrong if accepts(value)] == []


def test_every_setting_accepts_its_default() -> None:
    known = Conf.known()

    assert [key for key in known if key != "QUEUE" and not known[key].accepts(known[key].default)] == []


def test_a_state_is_kept_for_its_default_unless_the_project_says_otherwise_and_none_is_for_ever() -> None:
    assert limits({"FAILED": None, "CANCELLED": 5}) == {"SUCCESSFUL": 7, "CANCELLED": 5, "MERGED": 7}
    assert limits(dict.fromkeys(DEFAULT)) == limits(None) == {}
