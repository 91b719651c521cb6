"""Signals that Django and other apps send: each with the options that its arguments ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.dispatch import Signal
from django.test import Client, RequestFactory
from django.utils.functional import SimpleLazyObject

from signals_app.dispatcher import QueuedReceiver
from signals_app.exceptions import PayloadError
from signals_app.models import State
from tests.payload_app.models import Everything, Plain, Tagged
from tests.signals_app.listeners import Call, first, listening, run_waiting, second, written
from tests.testapp.models import Thing

pytestmark = [pytest.mark.django_db, pytest.mark.database]

Make = Callable[..., QueuedReceiver]


class AuditSignal(Signal):
    """As some apps make their own."""

    def send(self, sender: Any, **named: Any) -> list[tuple[Any, Any]]:
        return super().send(sender=sender, audited=True, **named)


audited = AuditSignal()


def start_response(*answer: Any) -> Any:
    """Take what a WSGI server would send."""


def the_call() -> Call:
    """Run the only delivery that waits."""
    (call,) = run_waiting()
    return call


def test_post_save_tells_creation_from_change() -> None:
    with listening(post_save, first, sender=Thing):
        thing = Thing.objects.create(name="lamp")
        thing.name = "chair"
        thing.save(update_fields=["name"])

    created, changed = run_waiting()
    assert created.arguments == {
        "instance": thing,
        "created": True,
        "raw": False,
        "using": "default",
        "update_fields": None,
    }
    assert changed.arguments == {
        "instance": thing,
        "created": False,
        "raw": False,
        "using": "default",
        "update_fields": frozenset({"name"}),
    }
    assert (created.signal, created.sender) == (post_save, Thing)
    assert written()[0].signal == "django.db.models.signals.post_save"


def test_pre_save_of_a_new_object_asks_for_a_snapshot() -> None:
    with listening(pre_save, first, sender=Thing), pytest.raises(PayloadError) as caught:
        Thing.objects.create(name="lamp")

    assert str(caught.value) == (
        f"{first.key} cannot receive django.db.models.signals.pre_save: instance (tests.testapp.models.Thing) is not "
        "saved, so that a worker could not fetch it. Save it first, or add snapshot=('instance',) to send its values."
    )
    assert (written(), Thing.objects.count()) == ([], 0)


def test_pre_save_with_a_snapshot_brings_the_values_before_the_save(made: Make) -> None:
    with listening(pre_save, made(first.func, key="snapshot", snapshot=("instance",)), sender=Thing):
        thing = Thing.objects.create(name="lamp")
        thing.name = "chair"
        thing.save()

    new, old = (call.arguments["instance"] for call in run_waiting())
    assert (new.pk, new.name, new._state.adding) == (None, "lamp", True)
    assert (old.pk, old.name, old._state.adding) == (thing.pk, "chair", False)


def test_post_delete_with_a_snapshot_brings_what_is_gone(made: Make) -> None:
    thing = Thing.objects.create(name="lamp")
    pk = thing.pk
    with listening(post_delete, made(first.func, key="snapshot", snapshot=("instance",)), sender=Thing):
        thing.delete()

    arguments = the_call().arguments
    assert (arguments["instance"].pk, arguments["instance"].name) == (pk, "lamp")
    assert arguments["origin"].pk == pk
    assert not Thing.objects.exists()


def test_post_delete_without_a_snapshot_finds_nothing(made: Make) -> None:
    thing = Thing.objects.create(name="lamp")
    with listening(post_delete, made(first.func, key="no snapshot", missing="skip"), sender=Thing):
        thing.delete()

    assert run_waiting() == []
    assert [delivery.state for delivery in written()] == [State.CANCELLED]


def test_post_delete_of_a_queryset_asks_to_drop_its_origin(made: Make) -> None:
    Thing.objects.create(name="lamp")
    refused = r"origin \(django\.db\.models\.query\.QuerySet\) .*drop=\('origin',\)"
    with (
        listening(post_delete, made(first.func, key="all", snapshot=("instance",)), sender=Thing),
        pytest.raises(PayloadError, match=refused),
        transaction.atomic(),
    ):
        Thing.objects.all().delete()
    with listening(post_delete, made(first.func, key="each", snapshot=("instance",), drop=("origin",)), sender=Thing):
        Thing.objects.all().delete()

    assert the_call().arguments["instance"].name == "lamp"


def test_post_delete_of_a_cascade_brings_its_origin_by_value_too(made: Make) -> None:
    plain = Plain.objects.create(name="origin")
    Everything.objects.create(plain=plain)
    with listening(post_delete, made(first.func, key="cascade", snapshot=("instance", "origin")), sender=Everything):
        plain.delete()

    assert the_call().arguments["origin"].name == "origin"


def test_m2m_changed_brings_model_keys_and_action() -> None:
    tagged = Tagged.objects.create()
    plains = [Plain.objects.create(name=name) for name in "ab"]
    through = Tagged.plains.through
    with listening(m2m_changed, first, sender=through):
        tagged.plains.add(*plains)
        plains[0].tagged_set.clear()

    calls = run_waiting()
    assert [call.arguments["action"] for call in calls] == ["pre_add", "post_add", "pre_clear", "post_clear"]
    assert {call.sender for call in calls} == {through}
    assert calls[1].arguments | {"raw": False} == {
        "instance": tagged,
        "action": "post_add",
        "reverse": False,
        "model": Plain,
        "pk_set": {plain.pk for plain in plains},
        "using": "default",
        "raw": False,  # Django 6.1 tells this, too
    }
    assert calls[3].arguments | {"raw": False} == {
        "instance": plains[0],
        "action": "post_clear",
        "reverse": True,
        "model": Tagged,
        "pk_set": None,
        "using": "default",
        "raw": False,
    }


def test_user_logged_in_without_its_request(made: Make) -> None:
    user = User.objects.create_user("ann", password="secret")
    with listening(user_logged_in, made(first.func, key="logged in", drop=("request",))):
        assert Client().login(username="ann", password="secret")

    call = the_call()
    assert (call.sender, call.signal, call.arguments) == (User, user_logged_in, {"user": user})


def test_user_logged_in_with_its_request_is_refused_with_the_cure(client: Client) -> None:
    User.objects.create_user("ann", password="secret")
    with listening(user_logged_in, first), pytest.raises(PayloadError) as caught:
        client.login(username="ann", password="secret")

    assert "request (django.http.request.HttpRequest) cannot travel to a worker." in str(caught.value)
    assert str(caught.value).endswith("Add drop=('request',) or pass the values you need.")


def test_user_login_failed_brings_the_credentials_cleaned(made: Make) -> None:
    with listening(user_login_failed, made(first.func, key="login failed", drop=("request",))):
        Client().login(username="ann", password="wrong")

    call = the_call()
    assert call.sender == "django.contrib.auth"
    assert call.arguments == {"credentials": {"username": "ann", "password": "********************"}}


@pytest.mark.django_db(transaction=True)  # Django closes its connections in between
def test_request_started_and_finished_in_a_real_handler(made: Make) -> None:
    started = made(first.func, key="started", drop=("environ",))
    with listening(request_started, started), listening(request_finished, second):
        response: Any = WSGIHandler()(RequestFactory().get("/nowhere/").environ, start_response)
        response.close()

    assert [(call.receiver, call.signal, call.sender, call.arguments) for call in run_waiting()] == [
        ("first", request_started, WSGIHandler, {}),
        ("second", request_finished, WSGIHandler, {}),
    ]


def test_a_signal_class_of_another_app_is_a_signal() -> None:
    with listening(audited, first):
        audited.send(sender=None, action="delete")

    call = the_call()
    assert (call.signal, call.arguments) == (audited, {"action": "delete", "audited": True})
    assert written()[0].signal == f"{__name__}.audited"


def test_a_lazy_user_is_resolved() -> None:
    user = User.objects.create_user("ann")
    with listening(audited, first):
        audited.send(sender=None, user=SimpleLazyObject(lambda: User.objects.get()))

    assert the_call().arguments == {"user": user, "audited": True}
