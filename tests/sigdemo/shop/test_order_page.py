"""The order's page: what became of the deliveries, told in words."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from sigdemo.shop.models import Invoice, Order, Product
from sigdemo.shop.tracking import Tracking, process_name, tracking_of
from signals_app.models import Attempt, Delivery, Outcome, Pause, PauseKind, State
from tests.sigdemo.shop.goods import deliveries_of, order

pytestmark = pytest.mark.django_db
OWNER = "somehost/boot-id/4711/123456"


def delivery(placed: Order, receiver: str) -> Delivery:
    return deliveries_of(placed).get(receiver=f"receivers.shop.{receiver}")


def change(placed: Order, receiver: str, **values: object) -> Delivery:
    """Put a delivery where a worker would have put it."""
    found = delivery(placed, receiver)
    Delivery.objects.filter(pk=found.pk).update(**values)
    found.refresh_from_db()
    return found


def page(client: Client, placed: Order, part: str = "") -> str:
    answer = client.get(f"{placed.get_absolute_url()}{part}")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def lacks(shown: str, *words: str) -> list[str]:
    return [one for one in words if one not in shown]


def finish(placed: Order) -> None:
    now = timezone.now()
    begin, end = now + timedelta(milliseconds=5), now + timedelta(milliseconds=1355)
    found = deliveries_of(placed)
    found.update(state=State.SUCCESSFUL, attempts=1, owner=OWNER, due_at=now, started_at=begin, finished_at=end)


def fail(found: Delivery, number: int = 1, outcome: Outcome = Outcome.ERROR, message: str = "") -> None:
    what = {"owner": OWNER, "finished_at": timezone.now(), "message": message}
    Attempt.objects.create(delivery=found, number=number, outcome=outcome, **what)


@override_settings(DEBUG=True)
def test_a_fresh_order_waits_and_says_how_to_start_a_cluster(client: Client, a_bell: Product) -> None:
    placed = order({a_bell: 2})
    shown = page(client, placed)
    answered_by, reload = f"<code>{placed.placed_by}</code>", "Reload to see what has happened since"
    assert lacks(shown, answered_by, "0 of 4 done", "python manage.py qcluster", 'data-final="false"', reload) == []
    assert shown.count("Ready</p>") == 4


@override_settings(DEBUG=True)
def test_a_finished_order_shows_process_attempts_and_durations(client: Client, a_bell: Product) -> None:
    placed = order({a_bell: 2})
    finish(placed)
    shown = page(client, placed)
    process = '<code>somehost:4711</code> <span class="whose">another process</span>'
    figures = ("<dd>1 of 8</dd>", "<dd>5.0 ms</dd>", "<dd>1.35 s</dd>")
    assert lacks(shown, "4 of 4 done", process, *figures, 'data-final="true"') == []
    assert shown.count("Successful</p>") == 4
    assert "Reload to see" not in shown
    change(placed, "notify_warehouse", state=State.FAILED)
    assert lacks(page(client, placed), "4 of 4 done, 1 failed", "Failed</p>", 'data-final="true"') == []
    assert process_name("somebody else") == "somebody else"  # an owner of another form


@pytest.mark.parametrize(
    ("seconds", "paused", "words"),
    [(10, "", "Scheduled in 10 s"), (0, "", "Ready"), (10, "sigdemo", "Paused by grace")],
)
def test_a_state_is_told_as_people_see_it(
    client: Client, a_bell: Product, monkeypatch: pytest.MonkeyPatch, seconds: int, paused: str, words: str
) -> None:
    placed, now = order({a_bell: 1}), timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: now)  # so that no time passes
    found = change(placed, "render_invoice", due_at=now + timedelta(seconds=seconds))
    if paused:
        Pause.objects.create(kind=PauseKind.QUEUE, name=paused, since=now, by="grace")

    def told() -> str:
        shown = page(client, placed).partition(f'id="delivery-{found.pk}"')[2]
        return shown.partition("</svg>")[2].partition("</p>")[0].strip()

    assert told() == words.removesuffix(" by grace")
    client.force_login(operator())
    assert told() == words


def operator() -> User:
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    return user


@pytest.mark.parametrize("part", ["", "deliveries/"])
def test_a_customer_is_shown_states_and_no_error_host_or_process(client: Client, a_bell: Product, part: str) -> None:
    placed = order({a_bell: 1})
    failed = change(placed, "notify_warehouse", state=State.FAILED, attempts=1, owner=OWNER, unroutable=True)
    fail(failed, message="10.0.0.7")
    backstage = ("somehost", "4711", "10.0.0.7", "attempt failed", "1 of 8", "qcluster", "No worker knows")
    shown = page(client, placed, part)
    assert "Failed</p>" in shown
    assert not [words for words in (*backstage, placed.placed_by) if words in shown]
    assert ("<html" in shown) == (not part)  # which a script puts into the page
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert page(client, placed, part).count("10.0.0.7") == 0
    client.force_login(operator())
    assert [words for words in backstage if words not in page(client, placed, part)] == ["qcluster"]


@override_settings(DEBUG=True)
def test_a_running_delivery_shows_its_progress_and_an_unroutable_one_what_to_do(
    client: Client, a_bell: Product
) -> None:
    placed = order({a_bell: 1})
    change(placed, "render_invoice", state=State.RUNNING, progress_done=2, progress_total=3)
    change(placed, "record_sale", unroutable=True)
    shown = page(client, placed)
    assert '<progress max="3" value="2" aria-label="Progress of render invoice">2 of 3</progress>' in shown
    assert "No worker knows this receiver. Start a cluster from the same code" in shown


def test_the_page_needs_the_same_queries_however_many_attempts(
    client: Client, a_bell: Product, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    placed = order({a_bell: 1})
    for found in Delivery.objects.all():
        for number in range(1, 4):
            fail(found, number)
    with django_assert_num_queries(6):  # order, lines, deliveries, attempts, pauses, invoice
        client.get(placed.get_absolute_url())


def test_what_ends_while_the_page_is_made_is_shown_with_its_invoice(
    client: Client, a_bell: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = order({a_bell: 1})

    def all_end_before_it(found: Order) -> Tracking:
        finish(placed)
        Invoice.objects.create(order=placed, file=ContentFile(b"%PDF", name="invoice.pdf"))
        return tracking_of(found)

    monkeypatch.setattr("sigdemo.shop.views.tracking_of", all_end_before_it)
    shown = page(client, placed, "deliveries/")
    assert 'data-final="true"' in shown
    assert "Download the invoice (PDF)" in shown


def test_work_done_inside_the_request_is_said_to_be(client: Client, a_bell: Product) -> None:
    placed = Order.objects.create(token=uuid4(), name="Ada", email="ada@example.com", total=10, tax=1)
    assert tracking_of(placed).final
    assert "This order handed off no work" in page(client, placed)


@pytest.mark.parametrize("part", ["", "deliveries/", "invoice/"])
def test_an_unknown_order_is_not_found_and_a_known_one_takes_no_post(
    client: Client, a_bell: Product, part: str
) -> None:
    answer = client.get(f"/shop/orders/{UUID(int=7)}/{part}")
    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()
    assert client.post(f"{order({a_bell: 1}).get_absolute_url()}{part}").status_code == 405


def test_an_invoice_is_handed_out_once_it_is_stored(client: Client, a_bell: Product) -> None:
    placed = order({a_bell: 1})
    address = f"{placed.get_absolute_url()}invoice/"
    assert client.get(address).status_code == 404
    assert address not in page(client, placed)
    invoice = Invoice(order=placed)
    invoice.file.save("test.pdf", ContentFile(b"%PDF-1.7"))
    answer = client.get(address)
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == f'attachment; filename="{placed.number}.pdf"'
    assert answer.getvalue() == b"%PDF-1.7"
    assert address in page(client, placed)
    invoice.file.storage.delete(invoice.file.name or "")
    assert client.get(address).status_code == 404
