"""What is said of wrong values in ``SIGNALS_APP``, and of apps that are missing or stand where they should not."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_delete
from django.test import override_settings

from signals_app.checks import check_apps, check_context, check_immediate, check_metrics, check_settings
from tests.signals_app.checks.said import Check, assert_mended, assert_said

TYPES = "django.contrib.contenttypes"


@pytest.mark.parametrize(
    ("check", "settings", "identity", "said"),
    [
        (check_settings, {"SIGNALS_APP": ["MAX_ATTEMPTS", 5]}, "E001", "SIGNALS_APP is a list, not a dict."),
        (check_settings, {"SIGNALS_APP": None}, "E001", "SIGNALS_APP is a NoneType, not a dict."),
        (check_settings, {"SIGNALS_APP": {"max_attempts": 5}}, "E002", "unknown key 'max_attempts'"),
        (check_settings, {"SIGNALS_APP": {7: 1}}, "E002", "unknown key 7"),
        (check_settings, {"SIGNALS_APP": {"QUEUE": "a\0"}}, "E003", r"SIGNALS_APP['QUEUE'] is 'a\x00'."),
        (
            check_settings,
            {"SIGNALS_APP": {"TIMEOUT": None}},
            "E003",
            "It takes seconds, more than 0 and at",
        ),
        (check_settings, {"SIGNALS_APP": {"LEASE": 9, "HEARTBEAT": 5}}, "E009", "LEASE'] is 9 s and HEARTBEAT 5 s: a"),
        (check_immediate, {"SIGNALS_APP": {"IMMEDIATE": True}}, "W005", "run in the sender's process"),
        (check_apps, {"TENANT_APPS": ["orders", "signals_app"]}, "E021", "signals_app is in TENANT_APPS"),
        (
            check_apps,
            {"INSTALLED_APPS": ["django_q", TYPES, "signals_app"], "Q_CLUSTER": {}},
            "W009",
            "django_q is listed before signals_app",
        ),
    ],
)
def test_a_wrong_setting_is_told_and_the_hint_mends_it(
    check: Check, settings: dict[str, Any], identity: str, said: str
) -> None:
    assert_mended(check, settings, identity, said)


def test_right_settings_are_not_told() -> None:
    assert [*check_apps(), *check_immediate()] == []
    with override_settings(SIGNALS_APP={"LEASE": 10, "HEARTBEAT": 5}):
        assert [*check_settings()] == []


@pytest.mark.parametrize("timeout", [60, None])
def test_django_q_may_stand_before_us_where_it_says_nothing_untrue(timeout: int | None) -> None:
    before_us = override_settings(INSTALLED_APPS=["django_q", TYPES, "signals_app"])
    with override_settings(Q_CLUSTER={"timeout": timeout}), before_us:  # in this order: the apps start with the cluster
        assert [*check_apps()] == []


def test_a_project_without_django_q_is_refused_in_a_sentence() -> None:
    with (
        pytest.raises(ImproperlyConfigured, match=r'Write INSTALLED_APPS \+= \["django_q"\]\.'),
        override_settings(INSTALLED_APPS=["signals_app", TYPES]),
    ):
        pass


@pytest.mark.parametrize("token", ["too short", "x" * 15, "with a space in it", "\u00fcber" * 5, 10**20])
def test_a_token_that_is_none_is_refused_and_not_shown(token: Any) -> None:
    with override_settings(SIGNALS_APP={"METRICS_TOKEN": token}):
        found = [*check_settings()]
    assert_said(found, "E003", "is not what it takes.", "It takes 16 or more visible ASCII characters")
    assert str(token) not in str(found)


def test_a_token_without_a_client_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    with override_settings(SIGNALS_APP={"METRICS_TOKEN": "x" * 16}):
        assert [*check_settings(), *check_metrics()] == []
        monkeypatch.setitem(sys.modules, "prometheus_client", None)
        assert_said(check_metrics(), "W006", "so there is no /metrics.")
    assert [*check_metrics()] == []


class Half:
    """Can capture and not restore."""

    def capture(self) -> None: ...


class Whole(Half):
    """Can do both."""

    def restore(self, value: None) -> None: ...


class Greedy:
    """Takes what nobody gives it."""

    def __init__(self, tenant: str) -> None: ...


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (f"{__name__}.Half", "has no method restore(), so nothing can be sent."),
        (f"{__name__}.Nobody", f"""cannot be made: ImportError('Module "{__name__}" does not define a"""),
        (f"{__name__}.Greedy", "cannot be made: TypeError("),
        ("datetime.date.min", "cannot be made: ModuleNotFoundError("),
    ],
)
def test_a_context_that_cannot_be_used_is_told_before_anybody_sends(path: str, problem: str) -> None:
    with override_settings(SIGNALS_APP={"CONTEXT": path}):
        assert_said(check_context(), "E020", f"SIGNALS_APP['CONTEXT'] is {path!r}, which {problem}")
    with override_settings(SIGNALS_APP={"CONTEXT": f"{__name__}.Whole"}):
        assert [*check_context()] == []


@pytest.mark.parametrize(("given", "ids"), [({}, ["signals_app.W007"]), ({"CONTEXT": f"{__name__}.Whole"}, [])])
def test_tenants_without_a_context_are_told(given: dict[str, str], ids: list[str]) -> None:
    tenants = override_settings(
        TENANT_APPS=["django.contrib.contenttypes"],
        TENANT_MODEL="shops.Shop",
        DATABASE_ROUTERS=["django_tenants.routers.TenantSyncRouter"],
        SIGNALS_APP=given,
    )
    with tenants, override_settings(INSTALLED_APPS=["signals_app", "django_q", "django_tenants", TYPES]):
        assert [message.id for message in check_context()] == ids
        from django_tenants.signals import tenant_delete_callback
    post_delete.disconnect(tenant_delete_callback)  # it would ask for TENANT_MODEL at each deletion of later tests
