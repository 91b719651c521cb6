"""The page that makes the demo's warehouse fail, who may use it, and who says that it fails."""

import io
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client, override_settings

from receivers.shop import notify_warehouse
from sigdemo.shop.models import Product, WarehouseNotice, WarehouseOutage
from signals_app import ledger
from signals_app.console.dashboard import Condition, condition
from signals_app.models import Delivery, State
from tests.cluster import Cluster, wait_for_all, wait_until
from tests.receivers.warehouse_server import warehouse_server
from tests.sigdemo.shop.goods import bell, order

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


def check() -> tuple[int, str]:
    """Return the exit status of ``deliveries check`` and what it prints."""
    out = io.StringIO()
    try:
        call_command("deliveries", "check", stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


@pytest.mark.django_db(transaction=True, databases=["default"])
@pytest.mark.database
def test_an_outage_is_said_while_its_notices_are_retried_and_no_longer_once_they_are_through(
    tmp_path: Path, admin_client: Client
) -> None:
    for queue in ("elsewhere", "lab-crash"):  # which receivers of the tests name
        ledger.keep_stat(f"{queue}:1", "signed", queue=queue, host="vm", seconds=600)
    goods = bell()
    with warehouse_server() as warehouse, Cluster(tmp_path / "cluster.log", WAREHOUSE_URL=warehouse.url):
        order({goods: 1})
        wait_for_all()
        wait_until(lambda: condition() == Condition.HEALTHY, "health")
        warehouse.status = 503
        for _ in range(3):
            order({Product.objects.get(): 1})
        wait_until(lambda: condition() == Condition.FAILING, "a word about the outage")
        status, said = check()
        assert (status, f"{notify_warehouse.key} fails: " in said) == (1, True)
        assert "failing</span>" in admin_client.get("/admin/signals_app/overview/").content.decode()
        assert "Overview \N{WARNING SIGN} failing" in admin_client.get("/admin/").content.decode()
        assert not Delivery.objects.filter(state=State.FAILED).exists()  # nothing is lost yet
        warehouse.status = 201
        wait_for_all()
        assert condition() == Condition.HEALTHY
        assert check()[0] == 0
