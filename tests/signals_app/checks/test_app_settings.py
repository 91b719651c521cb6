"""What is said of wrong values in ``SIGNALS_APP``, and of apps that are missing or stand where they should not."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_delete
from django.test import override_settings

from signals_app.checks import check_apps, check_context, check_immediate, check_metrics, check_settings
from tests.signals_app.checks.said import assert_said

TYPES = "django.contrib.contenttypes"


@override_settings(TENANT_APPS=["orders", "signals_app"])
def test_deliveries_of_each_tenant_are_told() -> None:
    assert_said(check_apps(), "E021", "signals_app is in TENANT_APPS")


@pytest.mark.parametrize(
    ("cluster", "ids"), [({}, ["signals_app.W009"]), ({"timeout": 60}, []), ({"timeout": None}, [])]
)
def test_django_q_that_stands_before_us_is_told_where_it_says_what_is_not_so(
    cluster: dict[str, Any], ids: list[str]
) -> None:
    with override_settings(Q_CLUSTER=cluster):
        assert [*check_apps()] == []
        with override_settings(INSTALLED_APPS=["django_q", TYPES, "signals_app"]):
            assert [message.id for message in check_apps()] == ids


def test_a_project_without_django_q_is_refused_in_a_sentence() -> None:
    with (
        pytest.raises(ImproperlyConfigured, match=r'Write INSTALLED_APPS \+= \["django_q"\]\.'),
        override_settings(INSTALLED_APPS=["signals_app", TYPES]),
    ):
        pass


@pytest.mark.parametrize(("given", "kind"), [([], "list"), (None, "NoneType"), ("IMMEDIATE", "str")])
def test_a_setting_that_is_no_dict_says_what_to_write(given: Any, kind: str) -> None:
    with override_settings(SIGNALS_APP=given):
        assert_said(check_settings(), "E001", f"SIGNALS_APP is a {kind}, not a dict.")


@override_settings(SIGNALS_APP={"max_attempts": 5, 7: 1})
def test_keys_are_upper_case_names() -> None:
    named, numbered = check_settings()
    assert_said([named], "E002", "unknown key 'max_attempts'")
    assert_said([numbered], "E002", "unknown key 7")


@pytest.mark.parametrize(
    ("key", "value", "takes"),
    [
        ("QUEUE", "", "a cluster name, 1 to 100 printable characters"),
        ("QUEUE", "a\0", "a cluster name, 1 to 100 printable characters"),
        ("PRIORITY", 10**6, "a whole number from -32768 to 32767; higher runs first"),
        ("MAX_ATTEMPTS", 0, "a whole number, 1 or more"),
        ("BACKOFF", 30, "a callable: attempts so far -> seconds"),
        ("TIMEOUT", None, "seconds, more than 0 and at most ten years"),
        ("DELAY", -1, "seconds, 0 to ten years"),
        ("WHEN", "always", "a callable or None"),
        ("DROP", "request", "a tuple of argument names"),
        ("SNAPSHOT", "instance", "a tuple of argument names"),
        ("MISSING", "ignore", '"fail" or "skip"'),
        ("ATOMIC", "yes", "True or False"),
        ("IMMEDIATE", 1, "True or False"),
        ("MAX_PAYLOAD", 0, "bytes of JSON, 1 or more"),
        ("ON_DEMAND_QUEUES", "bulk", "a tuple of cluster names"),
        ("TRACE_URL", "https://t.example.org/", "an address with {trace_id} in it, or an empty text"),
        ("BATCH", 0, "the most deliveries one claim takes, 1 or more"),
    ],
)
def test_a_wrong_value_says_what_the_key_takes(key: str, value: Any, takes: str) -> None:
    with override_settings(SIGNALS_APP={key: value}):
        assert_said(check_settings(), "E003", f"SIGNALS_APP[{key!r}] is {value!r}.", f"It takes {takes}.")


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


def test_a_lease_that_one_late_heartbeat_breaks_is_an_error() -> None:
    with override_settings(SIGNALS_APP={"LEASE": 9, "HEARTBEAT": 5}):
        assert_said(check_settings(), "E009", "SIGNALS_APP['LEASE'] is 9 s and HEARTBEAT 5 s: a single late heartbeat")
    with override_settings(SIGNALS_APP={"LEASE": 10, "HEARTBEAT": 5}):
        assert [*check_settings()] == []


def test_receivers_that_run_at_the_send_are_a_warning_before_a_deployment() -> None:
    assert [*check_immediate()] == []
    with override_settings(SIGNALS_APP={"IMMEDIATE": True}):
        assert_said(check_immediate(), "W005", "run in the sender's process and are not retried.")


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
