"""The start page: what the site is, and which steps of the guided path its visitor has done."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from sigdemo.lab.kinds import Way
from sigdemo.lab.models import LabRun
from sigdemo.shop.models import Order, Product, WarehouseOutage
from signals_app.models import Attempt, Delivery, Outcome, State
from tests.sigdemo.lab.runs import Measured
from tests.sigdemo.shop.goods import bell, deliveries_of, filled_in

pytestmark = pytest.mark.django_db
FAILING = "receivers.shop.notify_warehouse"


@pytest.fixture(autouse=True)
def goods(settings: Settings) -> Product:
    settings.DEBUG = True
    return bell()


def page(client: Client) -> str:
    return " ".join(client.get("/").content.decode().split())


def done(client: Client) -> dict[str, bool]:
    """Return which steps the page shows as done."""
    return {step: state == "true" for step, state in re.findall(r'data-step="(\w+)" data-done="(\w+)"', page(client))}


def place_order(client: Client, product: Product) -> Order:
    client.post("/shop/", filled_in({product: 1}))
    return Order.objects.latest("id")


def fail(order: Order, times: int) -> None:
    delivery = deliveries_of(order).get(receiver=FAILING)
    for number in range(1, times + 1):
        Attempt.objects.create(delivery=delivery, number=number, finished_at=timezone.now(), outcome=Outcome.ERROR)


def test_a_new_visitor_has_done_nothing_and_is_told_where_to_begin(client: Client, settings: Settings) -> None:
    assert done(client) == {"order": False, "trace": False, "lab": False}
    shown = page(client)
    assert "A Django signal is a function call" in shown
    assert "Make the warehouse fail twice" in shown
    assert "Place an order first." in shown
    WarehouseOutage.plan(2)
    assert "The warehouse will refuse its next 2 requests." in page(client)
    WarehouseOutage.plan(0)
    settings.DEBUG = False
    shown = page(client)
    assert "Make the warehouse fail twice" not in shown
    assert "Only staff can make the warehouse fail here." in shown
    assert "Only staff may use the lab here." in shown


def test_an_order_is_done_once_one_of_its_receivers_failed_and_only_for_its_visitor(
    client: Client, goods: Product
) -> None:
    placed = place_order(client, goods)
    assert f"You have placed order {placed.number}, and nothing has failed so far." in page(client)
    fail(placed, 1)
    later = place_order(client, goods)
    assert done(client)["order"]
    assert f"Order {placed.number}: notify warehouse failed once and is being tried again." in page(client)
    Delivery.objects.update(state=State.SUCCESSFUL)
    assert f"Order {placed.number}: notify warehouse failed once and then succeeded." in page(client)
    fail(later, 3)
    Delivery.objects.update(state=State.FAILED)
    assert f"Order {later.number}: notify warehouse failed 3 times and was given up." in page(client)
    assert not done(Client())["order"]


def test_the_trace_is_done_once_a_visitor_who_may_see_it_was_led_there(client: Client, goods: Product) -> None:
    placed = place_order(client, goods)
    address = f"/trace/{placed.public_id}/"
    assert address in page(client)
    assert client.get(address)["Location"] == f"/admin/login/?next={address}"
    assert not done(client)["trace"]
    client.force_login(User.objects.create_superuser("boss"))
    led = client.get(address, follow=True)
    assert led.redirect_chain == [(f"/admin/signals_app/delivery/emission/{placed.emission}/", 302)]
    assert led.status_code == 200
    assert done(client)["trace"]
    assert f"You have opened the trace of order {placed.number}." in page(client)
    Order.objects.update(emission=None)
    assert client.get(address).status_code == 404  # it handed off nothing


def test_the_lab_is_done_once_the_visitors_run_is_over_and_tells_its_verdict(client: Client) -> None:
    client.post("/lab/", {"kind": "wait", "seconds": "0.1", "fan_out": "1", "ways": ["signal"], "script": "1"})
    assert not done(client)["lab"]
    assert "Your run has not begun." in page(client)
    Measured(Way.SIGNAL, answered=0.104, run=LabRun.objects.get()).work(0.002, 0.1)
    assert done(client)["lab"]
    assert "Signal: you waited 104 ms." in page(client)
    assert not done(Client())["lab"]
