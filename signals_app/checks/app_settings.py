"""What is wrong with ``SIGNALS_APP`` and with the apps around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from signals_app.conf import Conf, cluster_here, conf
from signals_app.dispatcher.context import context_of


@register("signals_app")
def check_apps(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that nothing untrue is said as Django starts, and that deliveries have one table."""
    labels = list(apps.app_configs)
    if labels.index("django_q") < labels.index("signals_app") and "timeout" not in cluster_here().written:
        yield CheckWarning(
            'django_q is listed before signals_app, so it warns "Retry and timeout are misconfigured" before '
            "signals_app supplies the timeout that Q_CLUSTER lacks.",
            hint='Write INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app != "django_q"), "django_q"].',
            id="signals_app.W009",
        )
    if "signals_app" in getattr(settings, "TENANT_APPS", ()):
        yield Error(
            "signals_app is in TENANT_APPS: each tenant has a table of deliveries that no worker reads.",
            hint='Write TENANT_APPS = [app for app in TENANT_APPS if app != "signals_app"].',
            id="signals_app.E021",
        )


@register("signals_app")
def check_settings(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check every key of ``SIGNALS_APP`` and its value."""
    mapping = getattr(settings, "SIGNALS_APP", {})
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
                hint=f"Write del SIGNALS_APP[{key!r}]. It takes {', '.join(sorted(known))}.",
                id="signals_app.E002",
            )
        else:
            yield Error(
                f"SIGNALS_APP[{key!r}] is {'not what it takes' if known[key].secret else repr(mapping[key])}.",
                hint=f"Write del SIGNALS_APP[{key!r}] for its default. It takes {known[key].takes}.",
                id="signals_app.E003",
            )
    if not wrong and conf.lease < 2 * conf.heartbeat:
        yield Error(
            f"SIGNALS_APP['LEASE'] is {conf.lease:g} s and HEARTBEAT {conf.heartbeat:g} s: a single late heartbeat "
            "makes a healthy run look lost.",
            hint=f'Write SIGNALS_APP["LEASE"] = {2 * conf.heartbeat:g}, or more.',
            id="signals_app.E009",
        )


@register("signals_app")
def check_context(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that the class that captures the context of a send works, and that a project with tenants has one."""
    path = conf.context
    if not path:
        if apps.is_installed("django_tenants"):
            yield CheckWarning(
                "django_tenants is installed and SIGNALS_APP['CONTEXT'] names nothing: workers run the deliveries of "
                "every tenant in the public schema.",
                hint="Name in SIGNALS_APP['CONTEXT'] a class whose capture() returns connection.schema_name and whose "
                "restore(value) returns schema_context(value).",
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
            hint="Name in SIGNALS_APP['CONTEXT'] a class that takes no arguments and has capture() and restore(value).",
            id="signals_app.E020",
        )


@register("signals_app", deploy=True)
def check_immediate(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check before a deployment that receivers do not run in the sender's process."""
    if conf.immediate:
        yield CheckWarning(
            "SIGNALS_APP['IMMEDIATE'] is True: queued receivers run in the sender's process and are not retried.",
            hint='Write SIGNALS_APP["IMMEDIATE"] = False; it is for tests and debugging.',
            id="signals_app.W005",
        )


@register("signals_app")
def check_metrics(**kwargs: Any) -> Iterator[CheckMessage]:
    """Check that the metrics that a token is set for can be made."""
    if conf.metrics_token and not find_spec("prometheus_client"):
        yield CheckWarning(
            "SIGNALS_APP['METRICS_TOKEN'] is set and prometheus_client is not installed, so there is no /metrics.",
            hint='Install it: python -m pip install "prometheus_client>=0.22,<1".',
            id="signals_app.W006",
        )
