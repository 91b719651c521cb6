"""The shop's commands: filling the shelves, and a crowd of customers."""

import io
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.utils import timezone

from sigdemo.shop import crowd
from sigdemo.shop.assortment import ARTICLES
from sigdemo.shop.management.progress import ProgressBar
from sigdemo.shop.models import Order, Product
from signals_app.models import Delivery, State
from tests.sigdemo.shop.goods import order

pytestmark = pytest.mark.django_db


def run(command: str, *arguments: object) -> str:
    out = io.StringIO()
    call_command(command, *map(str, arguments), stdout=out)
    return out.getvalue()


class Terminal(io.StringIO):
    """Output that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


def test_seeding_fills_the_shelves() -> None:
    assert run("seed_shop") == f"{len(ARTICLES)} products added, 0 restocked.\n"
    assert Product.objects.filter(active=True, stock__gt=0).count() >= 12


def test_seeding_twice_changes_nothing() -> None:
    run("seed_shop")
    Product.objects.filter(sku="whistle").update(price="7.50", stock=2)

    assert run("seed_shop") == "0 products added, 0 restocked.\n"
    whistle = Product.objects.get(sku="whistle")
    assert (str(whistle.price), whistle.stock) == ("7.50", 2)
    assert Product.objects.count() == len(ARTICLES)


def test_restocking_fills_up_what_was_sold() -> None:
    run("seed_shop")
    Product.objects.filter(sku="whistle").update(stock=2)

    assert run("seed_shop", "--restock") == "0 products added, 1 restocked.\n"
    assert Product.objects.get(sku="whistle").stock == 500


def test_every_article_has_a_picture() -> None:
    found = finders.find("shop/products.svg")
    assert isinstance(found, str)
    pictures = Path(found).read_text()

    assert [article.sku for article in ARTICLES if f'id="{article.sku}"' not in pictures] == []


def test_without_a_cluster_the_orders_are_placed_and_the_command_says_what_is_missing(
    a_bell: Product,
) -> None:
    with pytest.raises(CommandError) as refused:
        run("place_orders", 3, "--timeout", 0)

    assert str(refused.value) == (
        "No worker has taken any of the 12 deliveries in 0 s. Is a cluster running? Start one with: "
        "python manage.py qcluster. The work waits for it in the database."
    )
    assert Order.objects.count() == 3


def test_a_sold_out_shop_is_told_apart(a_bell: Product) -> None:
    Product.objects.update(stock=0)

    with pytest.raises(CommandError, match="Nothing is in stock"):
        run("place_orders", 1)


def test_a_shop_that_sells_out_on_the_way_says_after_how_many(
    a_bell: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    Product.objects.update(stock=2)

    with pytest.raises(CommandError, match="No worker has taken any of the 8 deliveries"):
        run("place_orders", 5, "--timeout", 0)
    assert "Sold out after 2 of 5 orders." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "N must be a number from 1 to 100000, not 0."),
        ((-1,), "N must be a number from 1 to 100000, not -1."),
        ((10**7,), "N must be a number from 1 to 100000, not 10000000."),
        ((1, "--rate", 0), "--rate must be a number of orders a second, greater than 0."),
        ((1, "--rate", "nan"), "--rate must be a number of orders a second, greater than 0."),
        ((1, "--timeout", -1), "--timeout must be a number of seconds, 0 or more."),
        ((1, "--timeout", "inf"), "--timeout must be a number of seconds, 0 or more."),
        (("many",), "invalid int value: 'many'"),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(CommandError, match=message.replace(".", r"\.")):
        run("place_orders", "--", *arguments) if arguments[0] == -1 else run("place_orders", *arguments)
    assert not Order.objects.exists()


def finish(state: State, **conditions: object) -> None:
    now = timezone.now()
    Delivery.objects.filter(**conditions).update(
        state=state,
        attempts=1,
        due_at=now,
        started_at=now + timedelta(milliseconds=10),
        finished_at=now + timedelta(milliseconds=30),
    )


def test_the_summary_counts_and_measures(a_bell: Product) -> None:
    placed = order({a_bell: 1})
    assert placed.emission
    finish(State.SUCCESSFUL)
    finish(State.FAILED, receiver="receivers.shop.notify_warehouse")

    summary = crowd.summarise([placed.emission])
    assert (summary.total, summary.successful) == (4, 3)
    assert summary.waited
    assert summary.ran
    assert summary.waited.p50 == pytest.approx(0.010)
    assert summary.ran.p95 == pytest.approx(0.020)
    assert summary.others == {("receivers.shop.notify_warehouse", State.FAILED): 1}


def test_progress_is_counted_over_many_emissions(a_bell: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "BATCH", 2)
    emissions = [placed.emission for placed in crowd.place_orders(3) if placed.emission]
    finish(State.SUCCESSFUL, emission=emissions[0])

    progress = crowd.progress_of(emissions)
    assert (progress.total, progress.started, progress.finished, progress.done) == (12, 4, 4, False)


def test_orders_are_not_placed_faster_than_the_rate(a_bell: Product) -> None:
    begin = timezone.now()
    list(crowd.place_orders(4, rate=20))

    assert timezone.now() - begin >= timedelta(seconds=3 / 20)


def test_the_bar_is_redrawn_in_a_terminal_without_escape_codes() -> None:
    out = Terminal()
    bar = ProgressBar(OutputWrapper(out), "Orders placed", 4)
    for done in (1, 2, 2, 4):
        bar.show(done)
    bar.close(4)

    assert out.getvalue() == (
        "\rOrders placed    [#######.......................] 1 of 4"
        "\rOrders placed    [###############...............] 2 of 4"
        "\rOrders placed    [##############################] 4 of 4\n"
    )


def test_the_bar_is_a_few_lines_where_output_is_no_terminal() -> None:
    out = io.StringIO()
    bar = ProgressBar(OutputWrapper(out), "Orders placed", 1000)
    for done in range(1, 1001):
        bar.show(done)
    bar.close(1000)

    assert out.getvalue().splitlines() == [f"Orders placed: {done} of 1000" for done in (250, 500, 750, 1000)]
