"""Model signals: of inherited models, of models of a migration, and of a model that is named before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState
from django.db.models.signals import post_save

from signals_app.dispatcher import QueuedReceiver, queued_receiver, registry
from tests.payload_app.models import Child, Parent, Plain
from tests.signals_app.listeners import first, listening, run_waiting, second, written
from tests.testapp.models import Thing

pytestmark = pytest.mark.django_db


def plain(sender: object, **kwargs: Any) -> None: ...


def test_a_child_of_another_table_is_saved_with_its_parent() -> None:
    with listening(post_save, first, sender=Child), listening(post_save, second, sender=Parent):
        child = Child.objects.create(title="t", age=4)

    assert [(call.sender, call.arguments["instance"]) for call in run_waiting()] == [(Child, child)]


def test_what_a_migration_saves_goes_to_no_worker_and_is_told_once(
    made: Callable[..., QueuedReceiver], caplog: pytest.LogCaptureFixture
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


def test_a_model_may_be_named_before_it_is_loaded() -> None:
    receiver = queued_receiver(post_save, sender="testapp.Thing")(plain)
    try:
        Thing.objects.create(name="lamp")
        Plain.objects.create(name="another")
    finally:
        assert post_save.disconnect(receiver, sender=Thing)
        registry.forget(receiver.key)

    assert [delivery.sender for delivery in written()] == ["tests.testapp.models.Thing"]
