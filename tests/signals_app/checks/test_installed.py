"""What is said of apps that are missing or stand in the wrong order."""

from __future__ import annotations

from django.test import override_settings

from signals_app.checks import check_apps
from tests.signals_app.checks.said import said


def test_a_site_without_django_q_runs_nothing() -> None:
    with override_settings(INSTALLED_APPS=["signals_app", "django.contrib.contenttypes"]):
        assert said(check_apps(None)) == [
            (
                "signals_app.E005",
                "django_q is not installed, so nothing runs deliveries.",
                'Add "django_q" to INSTALLED_APPS, after "signals_app".',
            )
        ]


def test_the_order_of_the_apps_decides_which_qcluster_runs() -> None:
    with override_settings(INSTALLED_APPS=["django_q", "django.contrib.contenttypes", "signals_app"]):
        assert said(check_apps(None)) == [
            (
                "signals_app.E006",
                "signals_app stands after django_q, whose qcluster command is not supervised.",
                'Put "signals_app" before "django_q" in INSTALLED_APPS.',
            )
        ]


def test_deliveries_of_each_tenant_would_be_read_by_nobody() -> None:
    with override_settings(
        INSTALLED_APPS=["signals_app", "django_q", "django.contrib.contenttypes"], TENANT_APPS=["orders", "signals_app"]
    ):
        assert said(check_apps(None)) == [
            (
                "signals_app.E021",
                "signals_app is in TENANT_APPS: each tenant has a table of deliveries that no worker reads.",
                'Leave "signals_app" in SHARED_APPS only.',
            )
        ]
