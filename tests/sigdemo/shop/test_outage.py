"""The page that makes the demo's warehouse fail, and who may use it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from sigdemo.shop.models import WarehouseNotice, WarehouseOutage

pytestmark = pytest.mark.django_db
ADDRESS = "/shop/warehouse/outage/"


@override_settings(DEBUG=True)
def test_anyone_makes_it_fail_in_debug_and_sees_the_notices_that_came_in(client: Client) -> None:
    body = {"order": "SO-000001", "lines": [{"sku": "bell", "quantity": 2}]}
    WarehouseNotice.objects.create(key="k", order_number="SO-000001", body=body)
    page = client.get(ADDRESS).content.decode()
    assert "SO-000001" in page
    assert "It takes every request" in page
    assert (client.post(ADDRESS, {"failures": "3"}).status_code, WarehouseOutage.left()) == (302, 3)
    page = client.get(ADDRESS).content.decode()
    assert "It will refuse the next 3 requests" in page
    assert "Place an order and watch it" in page


@override_settings(DEBUG=True)
@pytest.mark.parametrize("failures", ["-1", "21", "many", "", "9" * 5000, "1.5"])
def test_a_bad_number_of_failures_is_refused(client: Client, failures: str) -> None:
    answer = client.post(ADDRESS, {"failures": failures})
    assert (answer.status_code, WarehouseOutage.left()) == (422, 0)
    assert "Enter a whole number from 0 to 20." in answer.content.decode()


def test_otherwise_only_staff_make_it_fail(client: Client) -> None:
    answer = client.post(ADDRESS, {"failures": "3"})
    assert (answer.status_code, WarehouseOutage.left()) == (403, 0)
    assert "Only staff may make the warehouse fail." in answer.content.decode()
    client.force_login(User.objects.create_user("ada", is_staff=True))
    assert (client.post(ADDRESS, {"failures": "20"}).status_code, WarehouseOutage.left()) == (302, 20)
