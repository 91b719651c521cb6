"""A project whose router reads from a replica that is behind: what looks at deliveries reads where they are written."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import models
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from signals_app.models import ClusterStat, Delivery, State
from tests.signals_app.console.admin.rows import ATTEMPTS, DELIVERIES, OVERVIEW, attempt, delivery, page_of
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


def test_the_terminal_and_every_page_show_what_was_written(failed: Delivery, admin_client: Client) -> None:
    found = read("show", failed.pk)
    assert [one["message"] for one in found["failed_attempts"]] == ["The oven is cold."]
    assert [one["receiver"] for one in found["same_emission"]] == ["shop.receivers.print_label"]
    assert f"#{failed.pk}" in told("list")

    now, clusters = timezone.now(), ClusterStat.objects.using("default")
    clusters.create(key="one", package="package", queue="bakery", host="oven-1", seen_at=now, expires_at=now)
    ended = failed.failed_attempts.using("default").get()
    pages = {
        page_of(failed): "The oven is cold.",
        page_of(ended): "send_mail",
        reverse("admin:signals_app_emission", args=[failed.emission]): "The oven is cold.",
        reverse(ATTEMPTS): "The oven is cold.",
        reverse(DELIVERIES): "print_label",
        reverse(OVERVIEW): "oven-1",
    }
    for address, text in pages.items():
        assert text in admin_client.get(address).content.decode().replace("<wbr>", ""), address
