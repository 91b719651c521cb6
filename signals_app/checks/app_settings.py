"""What is wrong with ``SIGNALS_APP``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from signals_app.conf import Conf, conf, given
from signals_app.dispatcher.context import context_of


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
                    f"SIGNALS_APP[{key!r}] is {'not what it takes' if known[key].secret else repr(value)}.",
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
def check_context(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that what captures the context of a send can be found, and is there where tenants are."""
    path = conf.context
    if not path:
        return _tenants()
    try:
        context = context_of(path)
        missing = [name for name in ("capture", "restore") if not callable(getattr(context, name, None))]
        problem = f"has no method {missing[0]}()" if missing else ""
    except Exception as error:  # whatever the project's own module or class raises
        problem = f"cannot be made: {error!r}"
    if not problem:
        return []
    return [
        Error(
            f"SIGNALS_APP['CONTEXT'] is {path!r}, which {problem}, so nothing can be sent.",
            hint="Name a class that takes no arguments and has capture() and restore(value).",
            id="signals_app.E020",
        )
    ]


def _tenants() -> list[CheckMessage]:
    if not apps.is_installed("django_tenants"):
        return []
    return [
        CheckWarning(
            "django_tenants is installed and SIGNALS_APP['CONTEXT'] names nothing: workers run the deliveries of every "
            "tenant in the public schema.",
            hint="Name a class whose capture() returns connection.schema_name and whose restore(value) returns "
            "schema_context(value).",
            id="signals_app.W007",
        )
    ]


@register("signals_app", deploy=True)
def check_immediate(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check, before a deployment, that receivers leave the sender's process."""
    if not conf.immediate:
        return []
    return [
        CheckWarning(
            "SIGNALS_APP['IMMEDIATE'] is True: queued receivers run in the sender's process and are not retried.",
            hint="Remove it; it is for tests and debugging.",
            id="signals_app.W005",
        )
    ]


@register("signals_app")
def check_metrics(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Check that there can be metrics where somebody may read them."""
    if not conf.metrics_token or find_spec("prometheus_client"):
        return []
    return [
        CheckWarning(
            "SIGNALS_APP['METRICS_TOKEN'] is set and prometheus_client is not installed, so there is no /metrics.",
            hint="Install signals_app[prometheus], or remove the token.",
            id="signals_app.W006",
        )
    ]
