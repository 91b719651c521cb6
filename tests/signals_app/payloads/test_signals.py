"""What Django itself sends, beside the signals of models, travels or stays behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations import Migration
from django.template import Context, Template
from django.test import RequestFactory

from signals_app.payloads import encode_arguments


def sent() -> Iterator[tuple[str, dict[str, object], set[str]]]:
    """Yield what Django sends beside the signals of models: signal, arguments, and which of them travel."""
    request = RequestFactory().get("/")
    user = User(pk=5)
    user._state.adding = False
    yield "core.signals.request_started", {"environ": request.environ}, set()
    yield "core.signals.request_finished", {}, set()
    yield "core.signals.got_request_exception", {"request": request}, set()
    yield "core.signals.setting_changed", {"setting": "X", "value": object(), "enter": True}, {"setting", "enter"}
    yield "contrib.auth.signals.user_logged_in", {"request": request, "user": user}, {"user"}
    yield "contrib.auth.signals.user_logged_out", {"request": request, "user": None}, {"user"}
    yield (
        "contrib.auth.signals.user_login_failed",
        {"request": request, "credentials": {"username": "ann"}},
        {"credentials"},
    )
    yield "db.backends.signals.connection_created", {"connection": connection}, set()
    yield (
        "db.models.signals.post_migrate",
        {
            "app_config": apps.get_app_config("auth"),
            "apps": apps,
            "plan": [(Migration("x", "auth"), False)],
            "stdout": sys.stdout,
            "using": "default",
            "interactive": False,
            "verbosity": 1,
        },
        {"using", "interactive", "verbosity"},
    )
    yield "test.signals.template_rendered", {"template": Template(""), "context": Context()}, set()
    yield "utils.autoreload.file_changed", {"file_path": Path("x")}, set()


@pytest.mark.parametrize(
    ("signal", "arguments", "travel"), list(sent()), ids=lambda case: case if type(case) is str else ""
)
def test_what_django_sends_travels_or_stays_behind(signal: str, arguments: dict[str, object], travel: set[str]) -> None:
    payload = encode_arguments(arguments, sender=None, signal=f"django.{signal}", receiver="receivers.work")
    assert set(json.loads(payload)["arguments"]) == travel
