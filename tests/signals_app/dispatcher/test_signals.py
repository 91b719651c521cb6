"""Signals that Django and other apps send: each with the options that its arguments ask for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import connection, transaction
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.http import HttpRequest
from django.template import Context, Template
from django.test import Client

from signals_app.dispatcher import queued
from signals_app.exceptions import PayloadError
from signals_app.payloads import encode_arguments
from tests.payload_app.models import Everything, Plain
from tests.signals_app.listeners import Call, Make, first, listening, run_waiting, second, written
from tests.testapp.models import Thing

pytestmark = pytest.mark.django_db


def the_call() -> Call:
    """Run the only delivery that waits."""
    (call,) = run_waiting()
    return call


def test_post_save_tells_creation_from_change() -> None:
    with listening(post_save, first, sender=Thing):
        thing = Thing.objects.create(name="lamp")
        thing.name = "chair"
        thing.save(update_fields=["name"])
    same = {"instance": thing, "raw": False, "using": "default"}
    assert [(call.signal, call.sender, call.arguments) for call in run_waiting()] == [
        (post_save, Thing, {**same, "created": True, "update_fields": None}),
        (post_save, Thing, {**same, "created": False, "update_fields": frozenset({"name"})}),
    ]
    assert written()[0].signal == "django.db.models.signals.post_save"


def test_pre_save_of_a_new_object_asks_for_a_snapshot_which_brings_the_values_before_the_save(made: Make) -> None:
    with listening(pre_save, first, sender=Thing), pytest.raises(PayloadError, match=r"add snapshot=\('instance',\)"):
        Thing.objects.create(name="lamp")
    assert (written(), Thing.objects.count()) == ([], 0)
    with listening(pre_save, made(first.func, key="snapshot", snapshot=("instance",)), sender=Thing):
        thing = Thing.objects.create(name="lamp")
        thing.name = "chair"
        thing.save()
    new, old = (call.arguments["instance"] for call in run_waiting())
    assert (new.pk, new.name, new._state.adding) == (None, "lamp", True)
    assert (old.pk, old.name, old._state.adding) == (thing.pk, "chair", False)


@pytest.mark.parametrize("snapshot", [(), ("instance",)])
def test_post_delete_brings_what_is_gone(snapshot: tuple[str, ...], made: Make) -> None:
    thing = Thing.objects.create(name="lamp")
    pk = thing.pk
    with listening(post_delete, made(first.func, key="mourns", snapshot=snapshot), sender=Thing):
        thing.delete()
    arguments = the_call().arguments
    assert (arguments["instance"].pk, arguments["instance"].name) == (pk, "lamp")
    assert arguments["origin"] is arguments["instance"]


def test_delete_of_a_queryset_leaves_its_origin_behind() -> None:
    Thing.objects.create(name="lamp")
    with listening(post_delete, first, sender=Thing), listening(pre_delete, second, sender=Thing):
        Thing.objects.all().delete()
    for call in run_waiting():
        assert (call.arguments["instance"].name, sorted(call.arguments)) == ("lamp", ["instance", "using"])


def test_delete_of_a_cascade_brings_the_key_of_its_origin_or_with_a_snapshot_all(made: Make) -> None:
    plain = Plain.objects.create(name="origin")
    pk = plain.pk
    Everything.objects.create(plain=plain)
    key_only = made(first.func, key="cascade", missing="skip")
    whole = made(first.func, key="whole", snapshot=("origin",))
    with listening(post_delete, key_only, whole, sender=Everything):
        plain.delete()
    key, all_of_it = (call.arguments["origin"] for call in run_waiting())
    assert (key.pk, key.get_deferred_fields()) == (pk, {"name"})
    with pytest.raises(Plain.DoesNotExist):
        key.name  # noqa: B018
    assert (all_of_it.pk, all_of_it.name) == (pk, "origin")


def test_delete_of_a_row_without_all_of_its_fields() -> None:
    Thing.objects.create(name="lamp")
    with listening(post_delete, first, sender=Thing), pytest.raises(PayloadError) as caught, transaction.atomic():
        Thing.objects.defer("name").get().delete()
    assert str(caught.value) == (
        f"{first.key} cannot receive django.db.models.signals.post_delete: instance (tests.testapp.models.Thing) was "
        "loaded without name, and its row is gone. Delete it without only() or defer(), or connect the receiver to "
        "pre_delete, which can still load them."
    )
    with listening(pre_delete, first, sender=Thing):
        Thing.objects.defer("name").get().delete()
    assert the_call().arguments["instance"].name == "lamp"


@queued
def asks_for_its_request(sender: object, request: object, **kwargs: Any) -> None: ...


def test_a_login_leaves_its_request_behind_and_a_receiver_that_asks_for_it_is_told_what_to_do(client: Client) -> None:
    user = User.objects.create_user("ann", password="secret")
    with listening(user_logged_in, first), listening(user_login_failed, second):
        assert client.login(username="ann", password="secret")
        assert not client.login(username="ann", password="wrong")
    credentials = {"username": "ann", "password": "********************"}
    assert [(call.sender, call.signal, call.arguments) for call in run_waiting()] == [
        (User, user_logged_in, {"user": user}),
        ("django.contrib.auth", user_login_failed, {"credentials": credentials, "request": None}),
    ]
    with listening(user_logged_in, asks_for_its_request), pytest.raises(PayloadError) as caught:
        client.login(username="ann", password="secret")
    assert "request (django.http.request.HttpRequest) cannot travel to a worker." in str(caught.value)
    assert str(caught.value).endswith(
        "Django sends it: take the parameter request out of the receiver, or give it a default value."
    )


def test_what_a_migration_saves_goes_to_no_worker_and_is_told_once(
    made: Make, caplog: pytest.LogCaptureFixture
) -> None:
    model = ProjectState.from_apps(apps).apps.get_model("testapp", "Thing")
    with listening(post_save, made(first.func, key="of every model")):
        MigrationRecorder(connection).record_applied("testapp", "0002_more")
        for name in ("lamp", "chair"):
            model.objects.create(name=name)
        Thing.objects.create(name="table")
    assert [delivery.sender for delivery in written()] == ["tests.testapp.models.Thing"]
    assert len(caplog.messages) == 2
    assert caplog.messages[-1] == (
        "of every model gets nothing from __fake__.Thing, a model of a migration, which no worker has. "
        "Connect it with sender=... ."
    )


SENT: list[tuple[str, dict[str, object], set[str]]] = [
    ("core.signals.request_started", {"environ": {"wsgi.input": object()}}, set()),
    ("core.signals.got_request_exception", {"request": HttpRequest()}, set()),
    ("core.signals.setting_changed", {"setting": "X", "value": object(), "enter": True}, {"setting", "enter"}),
    ("contrib.auth.signals.user_logged_out", {"request": HttpRequest(), "user": None}, {"user"}),
    ("db.backends.signals.connection_created", {"connection": connection}, set()),
    (
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
    ),
    ("test.signals.template_rendered", {"template": Template(""), "context": Context()}, set()),
    ("utils.autoreload.file_changed", {"file_path": Path("x")}, set()),
]


@pytest.mark.parametrize(("signal", "arguments", "travel"), SENT, ids=[signal for signal, *_ in SENT])
def test_what_django_sends_travels_or_stays_behind(signal: str, arguments: dict[str, object], travel: set[str]) -> None:
    payload = encode_arguments(arguments, sender=None, signal=f"django.{signal}", receiver="receivers.work")
    assert set(json.loads(payload)["arguments"]) == travel
