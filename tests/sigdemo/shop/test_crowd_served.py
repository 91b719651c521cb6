"""``place_orders`` with everything running: a web server, a cluster and a crowd."""

import io
import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sigdemo.shop.assortment import stock_shelves
from sigdemo.shop.models import DailySales, Invoice, Order, OrderLine, WarehouseNotice, WarehouseOutage
from tests.browser.web import Web
from tests.cluster import Cluster

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
FIGURES = r"\d+\.\d ms \(p50\), \d+\.\d ms \(p95\)\."


def test_a_crowd_is_served_and_the_command_says_how_long_it_took(tmp_path: Path) -> None:
    stock_shelves(restock=False)
    out = io.StringIO()
    with Web(tmp_path / "web.log") as web, Cluster(tmp_path / "cluster.log", **web.environment):
        call_command("place_orders", "6", "--timeout", "60", stdout=out)

    lines = out.getvalue().splitlines()
    assert "Orders placed: 6 of 6" in lines
    assert lines[-3] == "24 of 24 deliveries succeeded."
    assert re.fullmatch(f"They waited {FIGURES}", lines[-2])
    assert re.fullmatch(f"They ran {FIGURES}", lines[-1])
    assert Order.objects.count() == Invoice.objects.count() == WarehouseNotice.objects.count() == 6
    assert sum(DailySales.objects.values_list("quantity", flat=True)) == OrderLine.objects.count()


def test_what_is_not_done_in_time_is_named(tmp_path: Path) -> None:
    stock_shelves(restock=False)
    WarehouseOutage.plan(20)
    with (
        Web(tmp_path / "web.log") as web,
        Cluster(tmp_path / "cluster.log", **web.environment),
        pytest.raises(CommandError) as late,
    ):
        call_command("place_orders", "1", "--timeout", "10", stdout=io.StringIO())

    assert str(late.value) == ("1 of 4 deliveries are not done after 10 s: 1 READY of receivers.shop.notify_warehouse.")
