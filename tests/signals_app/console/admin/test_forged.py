"""Forged requests: whatever the pages offer, its POST is refused without the token, and without the permission."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from signals_app.console.operations import OPERATIONS as ACTIONS
from signals_app.models import Delivery, Pause, State
from tests.signals_app.console.admin.rows import DELIVERIES, delivery, operate_url
from tests.signals_app.console.admin.staff import client_of

pytestmark = pytest.mark.django_db

VIEW = ("view_delivery", "view_attempt")
TARGETS = {"move": "sigdemo", "reassign": "tests.testapp.receivers.nothing"}


def changeable(action: str) -> Delivery:
    """Write a delivery that the action can change."""
    if action == "retry":
        return delivery(State.FAILED)
    return delivery(due_at=timezone.now() + timedelta(hours=1), queue="elsewhere", unroutable=True)


def act(client: Client, place: str, action: str, one: Delivery) -> int:
    """Post a confirmed action, from the list or from the delivery's page."""
    address = reverse(DELIVERIES) if place == "list" else operate_url(one, action)
    data = {"action": action, "_selected_action": [one.pk], "index": "0", "confirmed": "yes"}
    return client.post(address, data | {"to": TARGETS.get(action, "")}).status_code


def pause(client: Client, do: str) -> int:
    data = {"kind": "QUEUE", "name": "sigdemo", "do": do}
    return client.post(reverse("admin:signals_app_overview_pause"), data).status_code


def is_as_it_was(one: Delivery) -> bool:
    now = Delivery.objects.filter(pk=one.pk).values().get()
    return not LogEntry.objects.exists() and all(getattr(one, name) == value for name, value in now.items())


@pytest.mark.parametrize("place", ["list", "page"])
@pytest.mark.parametrize("action", ACTIONS)
def test_an_action_needs_its_permission_and_its_token(place: str, action: str) -> None:
    one = changeable(action)
    others = [f"{name}_delivery" for name in ACTIONS if name != action]
    act(client_of("reader", *VIEW), place, action, one)
    act(client_of("other", *VIEW, *others), place, action, one)
    assert is_as_it_was(one)
    operator = client_of("operator", *VIEW, f"{action}_delivery")
    operator.handler.enforce_csrf_checks = True
    assert act(operator, place, action, one) == 403
    assert is_as_it_was(one)
    operator.handler.enforce_csrf_checks = False
    assert act(operator, place, action, one) == 302
    assert not is_as_it_was(one)


@pytest.mark.parametrize("do", ["pause", "resume"])
def test_a_pause_needs_its_permission_and_its_token(do: str) -> None:
    if do == "resume":
        Pause.objects.create(kind="QUEUE", name="sigdemo", since=timezone.now())
    before = list(Pause.objects.values())
    assert pause(client_of("other", *VIEW, *(f"{name}_delivery" for name in ACTIONS)), do) == 403
    pauser = client_of("pauser", *VIEW, "pause_delivery")
    pauser.handler.enforce_csrf_checks = True
    assert pause(pauser, do) == 403
    assert list(Pause.objects.values()) == before
    pauser.handler.enforce_csrf_checks = False
    assert pause(pauser, do) == 302
    assert list(Pause.objects.values()) != before
