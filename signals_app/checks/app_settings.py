"""What is wrong with ``SIGNALS_APP`` and with the apps around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from signals_app.conf import Conf, conf, given
from signals_app.dispatcher.context import context_of


@register("signals_app")
def check_apps(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that Django-Q is there, and that its command is ours."""
    names = [config.name for config in apps.get_app_configs()]
    if "django_q" not in names:
        yield Error(
            "django_q is not installed, so nothing runs deliveries.",
            hint='Add "django_q" to INSTALLED_APPS, after "signals_app".',
            id="signals_app.E005",
        )
    elif names.index("django_q") < names.index("signals_app"):
        yield Error(
            "signals_app stands after django_q, whose qcluster command is not supervised.",
            hint='Put "signals_app" before "django_q" in INSTALLED_APPS.',
            id="signals_app.E006",
        )
    elif "signals_app" in getattr(settings, "TENANT_APPS", ()):
        yield Error(
            "signals_app is in TENANT_APPS: each tenant has a table of deliveries that no worker reads.",
            hint='Leave "signals_app" in SHARED_APPS only.',
            id="signals_app.E021",
        )


@register("signals_app")
def check_settings(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check every key of ``SIGNALS_APP`` and its value."""
    mapping = given()
    if not isinstance(mapping, Mapping):
        yield Error(
            f"SIGNALS_APP is a {type(mapping).__name__}, not a dict.",
            hint='Write SIGNALS_APP = {"MAX_ATTEMPTS": 5}.',
            id="signals_app.E001",
        )
        return
    known = Conf.known()
    wrong = [key for key, value in mapping.items() if key not in known or not known[key].accepts(value)]
    for key in wrong:
        if key not in known:
            yield Error(
                f"SIGNALS_APP has an unknown key {key!r}.",
                hint=f"It takes {', '.join(sorted(known))}.",
                id="signals_app.E002",
            )
        else:
            yield Error(
                f"SIGNALS_APP[{key!r}] is {'not what it takes' if known[key].secret else repr(mapping[key])}.",
                hint=f"It takes {known[key].takes}.",
                id="signals_app.E003",
            )
    if not wrong and conf.lease < 2 * conf.heartbeat:
        yield Error(
            f"SIGNALS_APP['LEASE'] is {conf.lease:g} s and HEARTBEAT {conf.heartbeat:g} s: one late "
            "heartbeat, and a run that is well is taken for lost.",
            hint="Make LEASE at least twice HEARTBEAT.",
            id="signals_app.E009",
        )


@register("signals_app")
def check_context(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that what captures the context of a send can be found, and is there where tenants are."""
    path = conf.context
    if not path:
        if apps.is_installed("django_tenants"):
            yield CheckWarning(
                "django_tenants is installed and SIGNALS_APP['CONTEXT'] names nothing: workers run the deliveries of "
                "every tenant in the public schema.",
                hint="Name a class whose capture() returns connection.schema_name and whose restore(value) returns "
                "schema_context(value).",
                id="signals_app.W007",
            )
        return
    try:
        context = context_of(path)
        missing = [name for name in ("capture", "restore") if not callable(getattr(context, name, None))]
        problem = f"has no method {missing[0]}()" if missing else ""
    except Exception as error:  # whatever the project's own module or class raises
        problem = f"cannot be made: {error!r}"
    if problem:
        yield Error(
            f"SIGNALS_APP['CONTEXT'] is {path!r}, which {problem}, so nothing can be sent.",
            hint="Name a class that takes no arguments and has capture() and restore(value).",
            id="signals_app.E020",
        )


@register("signals_app", deploy=True)
def check_immediate(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check, before a deployment, that receivers leave the sender's process."""
    if conf.immediate:
        yield CheckWarning(
            "SIGNALS_APP['IMMEDIATE'] is True: queued receivers run in the sender's process and are not retried.",
            hint="Remove it; it is for tests and debugging.",
            id="signals_app.W005",
        )


@register("signals_app")
def check_metrics(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that there can be metrics where somebody may read them."""
    if conf.metrics_token and not find_spec("prometheus_client"):
        yield CheckWarning(
            "SIGNALS_APP['METRICS_TOKEN'] is set and prometheus_client is not installed, so there is no /metrics.",
            hint="Install signals_app[prometheus], or remove the token.",
            id="signals_app.W006",
        )
