"""What Django itself sends travels or stays behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations import Migration
from django.db.models import Model
from django.db.models.signals import ModelSignal, m2m_changed, post_save, pre_save
from django.template import Context, Template
from django.test import RequestFactory

from signals_app.exceptions import PayloadError
from signals_app.payloads import Decoded, decode_text, encode_arguments
from tests.payload_app.models import Plain, Tagged
from tests.signals_app.travels import encode

pytestmark = [pytest.mark.database, pytest.mark.django_db(databases=["default", "other"])]


@contextmanager
def payloads(signal: ModelSignal, sender: type[Model], snapshot: tuple[str, ...] = ()) -> Iterator[list[str]]:
    texts: list[str] = []

    def receive(sender: object, **arguments: object) -> None:
        arguments.pop("signal")
        texts.append(encode(arguments, sender=sender, snapshot=snapshot))

    signal.connect(receive, sender=sender)
    try:
        yield texts
    finally:
        signal.disconnect(receive, sender=sender)


def test_post_save() -> None:
    plain = Plain.objects.create()
    with payloads(post_save, Plain) as texts:
        plain.save(update_fields=["name"])
    assert decode_text(texts[0]) == Decoded(
        sender=Plain,
        arguments={
            "instance": plain,
            "created": False,
            "update_fields": frozenset({"name"}),
            "raw": False,
            "using": "default",
        },
    )


def test_pre_save_of_a_new_instance_needs_a_snapshot() -> None:
    with payloads(pre_save, Plain), pytest.raises(PayloadError, match=r"add snapshot=\('instance',\)"):
        Plain.objects.create(name="new")
    with payloads(pre_save, Plain, snapshot=("instance",)) as texts:
        Plain.objects.create(name="new")
    back = decode_text(texts[0]).arguments["instance"]
    assert isinstance(back, Plain)
    assert back.pk is None
    assert (back.name, back._state.adding) == ("new", True)


def test_m2m_changed() -> None:
    tagged, plain = Tagged.objects.create(), Plain.objects.create()
    through: type[Model] = Tagged.plains.through
    with payloads(m2m_changed, through) as texts:
        tagged.plains.add(plain)
    decoded = decode_text(texts[1])
    assert decoded.sender is through
    decoded.arguments.pop("raw", None)  # sent since Django 6.1
    assert decoded.arguments == {
        "action": "post_add",
        "instance": tagged,
        "reverse": False,
        "model": Plain,
        "pk_set": {plain.pk},
        "using": "default",
    }


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
