"""The shop's commands: filling the shelves, and a crowd of customers."""

import io
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import CommandError, call_command
from django.utils import timezone

from sigdemo.shop.assortment import ARTICLES
from sigdemo.shop.management.commands import place_orders as crowd
from sigdemo.shop.models import DailySales, Invoice, Order, OrderLine, Product, WarehouseNotice, WarehouseOutage
from signals_app.models import Delivery, State
from tests.browser.web import Web
from tests.cluster import Cluster
from tests.sigdemo.shop.goods import order

pytestmark = pytest.mark.django_db
FIGURES = r"\d+\.\d ms \(p50\), \d+\.\d ms \(p95\)\."


def run(command: str, *arguments: object) -> str:
    out = io.StringIO()
    call_command(command, *map(str, arguments), stdout=out)
    return out.getvalue()


def test_seeding_fills_the_shelves_once_and_restocking_fills_up_what_was_sold() -> None:
    assert run("seed_shop") == f"{len(ARTICLES)} products added, 0 restocked.\n"
    assert Product.objects.filter(active=True, stock__gt=0).count() == len(ARTICLES)
    Product.objects.filter(sku="whistle").update(price="7.50", stock=2)
    for arguments, restocked, stock in (((), 0, 2), (("--restock",), 1, 500)):
        assert run("seed_shop", *arguments) == f"0 products added, {restocked} restocked.\n"
        whistle = Product.objects.get(sku="whistle")
        assert (str(whistle.price), whistle.stock) == ("7.50", stock)


def test_every_article_has_a_picture() -> None:
    found = finders.find("shop/products.svg")
    assert isinstance(found, str)
    pictures = Path(found).read_text()
    assert [article.sku for article in ARTICLES if f'id="{article.sku}"' not in pictures] == []


def test_without_a_cluster_orders_are_placed_and_the_command_says_what_is_missing(a_bell: Product) -> None:
    with pytest.raises(CommandError) as refused:
        run("place_orders", 3, "--timeout", 0)
    assert str(refused.value) == (
        "No worker has taken any of the 12 deliveries in 0 s. Is a cluster running? Start one with: "
        "python manage.py qcluster. The work waits for it in the database."
    )
    assert Order.objects.count() == 3


def test_a_shop_that_sells_out_says_after_how_many_orders(a_bell: Product, capsys: pytest.CaptureFixture[str]) -> None:
    Product.objects.update(stock=2)
    with pytest.raises(CommandError, match="No worker has taken any of the 8 deliveries"):
        run("place_orders", 5, "--timeout", 0)
    assert "Sold out after 2 of 5 orders." in capsys.readouterr().err
    with pytest.raises(CommandError, match="Nothing is in stock"):
        run("place_orders", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(((count,), f"N must be a number from 1 to 100000, not {count}.") for count in (0, -1, 10**7)),
        *(((1, "--rate", rate), "--rate must be a number of orders a second, greater than 0.") for rate in (0, "nan")),
        *(((1, "--timeout", wait), "--timeout must be a number of seconds, 0 or more.") for wait in (-1, "inf")),
        (("many",), "invalid int value: 'many'"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message.replace(".", r"\.")):
        run("place_orders", "--", *arguments) if arguments[0] == -1 else run("place_orders", *arguments)
    assert not Order.objects.exists()


def finish(state: State, **conditions: object) -> None:
    now = timezone.now()
    begin, end = now + timedelta(milliseconds=10), now + timedelta(milliseconds=30)
    found = Delivery.objects.filter(**conditions)
    found.update(state=state, attempts=1, due_at=now, started_at=begin, finished_at=end)


def test_the_summary_counts_and_measures(a_bell: Product) -> None:
    placed = order({a_bell: 1})
    assert placed.emission
    finish(State.SUCCESSFUL)
    finish(State.FAILED, receiver="receivers.shop.notify_warehouse")
    summary = crowd.summarise([placed.emission])
    assert (summary.total, len(summary.runs)) == (4, 3)
    assert list(summary.waits) == pytest.approx([0.010] * 3)
    assert list(summary.runs) == pytest.approx([0.020] * 3)
    assert summary.others == {("receivers.shop.notify_warehouse", State.FAILED): 1}


def test_progress_is_counted_over_many_emissions_placed_no_faster_than_the_rate(
    a_bell: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crowd, "BATCH", 2)
    begin = timezone.now()
    emissions = [placed.emission for placed in crowd.place_orders(3, rate=20) if placed.emission]
    assert timezone.now() - begin >= timedelta(seconds=2 / 20)
    finish(State.SUCCESSFUL, emission=emissions[0])
    progress = crowd.progress_of(emissions)
    assert (progress.total, progress.started, progress.finished, progress.done) == (12, 4, 4, False)


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_a_crowd_is_served_and_what_is_not_done_in_time_is_named(tmp_path: Path) -> None:
    run("seed_shop")
    with Web(tmp_path / "web.log") as web, Cluster(tmp_path / "cluster.log", **web.environment):
        lines = run("place_orders", 6, "--timeout", 60).splitlines()
        WarehouseOutage.plan(20)
        with pytest.raises(CommandError) as late:
            run("place_orders", 1, "--timeout", 5)
    assert "Orders placed: 6 of 6" in lines
    assert "Deliveries done: 24 of 24" in lines
    assert lines[-3] == "24 of 24 deliveries succeeded."
    assert re.fullmatch(f"They waited {FIGURES}", lines[-2])
    assert re.fullmatch(f"They ran {FIGURES}", lines[-1])
    assert Order.objects.count() == Invoice.objects.count() == 7
    assert WarehouseNotice.objects.count() == 6
    assert sum(DailySales.objects.values_list("quantity", flat=True)) == OrderLine.objects.count()
    undone = r"1 of 4 deliveries are not done after 5 s: 1 (READY|RUNNING) of receivers\.shop\.notify_warehouse\."
    assert re.fullmatch(undone, str(late.value))
