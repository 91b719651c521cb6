"""The page that makes the demo's warehouse fail, and who may use it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from sigdemo.shop.models import WarehouseNotice, WarehouseOutage

pytestmark = pytest.mark.django_db


@override_settings(DEBUG=True)
def test_anyone_makes_it_fail_in_debug(client: Client) -> None:
    answer = client.post("/shop/warehouse/outage/", {"failures": "3"})

    assert (answer.status_code, WarehouseOutage.left()) == (302, 3)
    assert "It will refuse the next 3 requests" in client.get("/shop/warehouse/outage/").content.decode()


@override_settings(DEBUG=True)
def test_the_page_shows_the_notices_that_came_in(client: Client) -> None:
    WarehouseNotice.objects.create(
        key="k", order_number="SO-000001", body={"order": "SO-000001", "lines": [{"sku": "bell", "quantity": 2}]}
    )

    page = client.get("/shop/warehouse/outage/").content.decode()
    assert "SO-000001" in page
    assert "It takes every request" in page


@override_settings(DEBUG=True)
@pytest.mark.parametrize("failures", ["-1", "21", "many", "", "9" * 5000, "1.5"])
def test_a_bad_number_of_failures_is_refused(client: Client, failures: str) -> None:
    answer = client.post("/shop/warehouse/outage/", {"failures": failures})

    assert answer.status_code == 422
    assert "Enter a whole number from 0 to 20." in answer.content.decode()
    assert WarehouseOutage.left() == 0


def test_strangers_cannot_make_it_fail(client: Client) -> None:
    answer = client.post("/shop/warehouse/outage/", {"failures": "3"})

    assert answer.status_code == 403
    assert "Only staff may make the warehouse fail." in answer.content.decode()
    assert WarehouseOutage.left() == 0


def test_staff_can_make_it_fail(client: Client) -> None:
    client.force_login(User.objects.create_user("ada", is_staff=True))

    assert client.post("/shop/warehouse/outage/", {"failures": "20"}).status_code == 302
    assert WarehouseOutage.left() == 20
