"""Who looks at the admin, and a signal that nobody hears or sends, but for what a test connects and schedules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client

from signals_app.dispatcher import schedules
from tests.signals_app.console.admin.rows import client_of
from tests.testapp.signals import unheard


@pytest.fixture
def boss(db: None) -> Client:
    """Somebody who may do everything."""
    client = Client()
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def reader(db: None) -> Client:
    """Somebody who may look, and no more."""
    return client_of("reader", "view_delivery", "view_attempt")


@pytest.fixture
def operator(db: None) -> Client:
    """Somebody who may look, retry and cancel."""
    return client_of("operator", "view_delivery", "retry_delivery", "cancel_delivery")


@pytest.fixture
def outsider(db: None) -> Client:
    """A member of staff whom deliveries do not concern, though allowed to retry what others see."""
    return client_of("outsider", "retry_delivery", "view_user")


@pytest.fixture(autouse=True)
def left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(schedules, "_schedules", {})
    yield
    unheard.receivers.clear()
