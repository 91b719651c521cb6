"""A project whose router reads from a replica that is behind: what looks at deliveries reads where they are written."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from signals_app.models import ClusterStat, Delivery, State
from tests.signals_app.console.admin.rows import ATTEMPTS, DELIVERIES, attempt, delivery
from tests.signals_app.console.terminal.commands import read, told

pytestmark = [pytest.mark.django_db(databases=["default", "other"])]


class ReadsElsewhere:
    """Reads the app's tables from a replica, which is behind."""

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        return "other" if model._meta.app_label == "signals_app" else None


@pytest.fixture(autouse=True)
def replica() -> Iterator[None]:
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ReadsElsewhere"]):
        yield


@pytest.fixture
def failed() -> Delivery:
    one = delivery(State.FAILED)
    attempt(one, message="The oven is cold.")
    delivery(emission=one.emission, receiver="shop.receivers.print_label")
    return one


def test_the_terminal_shows_the_attempts_and_the_rest_of_the_emission(failed: Delivery) -> None:
    found = read("show", failed.pk)
    assert [one["message"] for one in found["failed_attempts"]] == ["The oven is cold."]
    assert [one["receiver"] for one in found["same_emission"]] == ["shop.receivers.print_label"]
    assert f"#{failed.pk}" in told("list")


def test_the_admin_shows_them_on_every_page(failed: Delivery, admin_client: Client) -> None:
    one = failed.failed_attempts.using("default").get()
    pages = {
        reverse("admin:signals_app_delivery_change", args=[failed.pk]): "The oven is cold.",
        reverse("admin:signals_app_attempt_change", args=[one.pk]): "send_mail",
        reverse("admin:signals_app_emission", args=[failed.emission]): "The oven is cold.",
        reverse(ATTEMPTS): "The oven is cold.",
        reverse(DELIVERIES): "print_label",
    }
    for address, text in pages.items():
        assert text in admin_client.get(address).content.decode(), address


def test_the_admin_shows_the_clusters_that_live(admin_client: Client) -> None:
    ClusterStat.objects.using("default").create(
        key="one", package="package", queue="bakery", host="oven-1", seen_at=timezone.now(), expires_at=timezone.now()
    )
    assert "oven-1" in admin_client.get(reverse("admin:signals_app_overview_changelist")).content.decode()
