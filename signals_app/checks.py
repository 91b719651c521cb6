"""System checks: what is wrong with the settings, before work can be lost to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.db import connections, router

from signals_app.conf import Conf, conf, given
from signals_app.models import Delivery

BROKER = "signals_app.broker.DeliveryBroker"


@register("signals_app")
def check_settings(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check every key of ``SIGNALS_APP`` and its value."""
    mapping = given()
    if not isinstance(mapping, Mapping):
        return [
            Error(
                f"SIGNALS_APP is a {type(mapping).__name__}, not a dict.",
                hint='Write SIGNALS_APP = {"MAX_ATTEMPTS": 5}.',
                id="signals_app.E001",
            )
        ]
    known = Conf.known()
    found: list[CheckMessage] = []
    for key, value in mapping.items():
        if key not in known:
            found.append(
                Error(
                    f"SIGNALS_APP has an unknown key {key!r}.",
                    hint=f"It takes {', '.join(sorted(known))}.",
                    id="signals_app.E002",
                )
            )
        elif not known[key].accepts(value):
            found.append(
                Error(
                    f"SIGNALS_APP[{key!r}] is {value!r}.",
                    hint=f"It takes {known[key].takes}.",
                    id="signals_app.E003",
                )
            )
    if not found and conf.lease < 2 * conf.heartbeat:
        found.append(
            Error(
                f"SIGNALS_APP['LEASE'] is {conf.lease:g} s and HEARTBEAT {conf.heartbeat:g} s: one late "
                "heartbeat, and a run that is well is taken for lost.",
                hint="Make LEASE at least twice HEARTBEAT.",
                id="signals_app.E009",
            )
        )
    return found


@register("signals_app")
def check_cluster(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that Django-Q is set up to wake workers for deliveries."""
    found: list[CheckMessage] = []
    cluster: Mapping[str, Any] = getattr(settings, "Q_CLUSTER", {})
    if cluster.get("broker_class") != BROKER:
        found.append(
            Error(
                f"Q_CLUSTER['broker_class'] is {cluster.get('broker_class')!r}, so no worker is woken for deliveries.",
                hint=f'Set Q_CLUSTER["broker_class"] = "{BROKER}".',
                id="signals_app.E004",
            )
        )
    names = [config.name for config in apps.get_app_configs()]
    if "django_q" not in names:
        found.append(
            Error(
                "django_q is not installed, so nothing runs deliveries.",
                hint='Add "django_q" to INSTALLED_APPS, after "signals_app".',
                id="signals_app.E005",
            )
        )
    elif names.index("django_q") < names.index("signals_app"):
        found.append(
            Error(
                "signals_app stands after django_q, whose qcluster command is not supervised.",
                hint='Put "signals_app" before "django_q" in INSTALLED_APPS.',
                id="signals_app.E006",
            )
        )
    return found


@register("signals_app")
def check_database(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that the database of the deliveries can be claimed from."""
    alias = router.db_for_write(Delivery)
    db = connections[alias]
    if db.vendor not in ("sqlite", "postgresql"):
        return [
            Error(
                f"The database {alias!r} is {db.vendor}; deliveries are kept in SQLite or PostgreSQL.",
                hint="Route signals_app to one of those with DATABASE_ROUTERS.",
                id="signals_app.E007",
            )
        ]
    options = db.settings_dict.get("OPTIONS", {})
    if db.vendor == "sqlite" and str(options.get("transaction_mode")).upper() != "IMMEDIATE":
        return [
            Error(
                f"The SQLite database {alias!r} does not begin its transactions IMMEDIATE, so concurrent ones fail "
                "with 'database is locked'.",
                hint='Set DATABASES[...]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".',
                id="signals_app.E008",
            )
        ]
    return []
