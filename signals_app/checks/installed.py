"""Which apps make a cluster, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register("signals_app")
def check_apps(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that Django-Q is there, and that its command is ours."""
    names = [config.name for config in apps.get_app_configs()]
    if "django_q" not in names:
        return [
            Error(
                "django_q is not installed, so nothing runs deliveries.",
                hint='Add "django_q" to INSTALLED_APPS, after "signals_app".',
                id="signals_app.E005",
            )
        ]
    if names.index("django_q") < names.index("signals_app"):
        return [
            Error(
                "signals_app stands after django_q, whose qcluster command is not supervised.",
                hint='Put "signals_app" before "django_q" in INSTALLED_APPS.',
                id="signals_app.E006",
            )
        ]
    if "signals_app" in getattr(settings, "TENANT_APPS", ()):
        return [
            Error(
                "signals_app is in TENANT_APPS: each tenant has a table of deliveries that no worker reads.",
                hint='Leave "signals_app" in SHARED_APPS only.',
                id="signals_app.E021",
            )
        ]
    return []
