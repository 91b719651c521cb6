"""The invoice: what stands in it, and that rendering it twice does no harm."""

import io
from pathlib import Path

import pytest
from django.conf import settings
from pypdf import PdfReader

from receivers import invoice, invoice_pdf
from sigdemo.shop.models import Invoice, Order, OrderLine


def silently(done: int, total: int) -> None:
    """Take a report and say nothing."""


def text(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def stored_files() -> list[str]:
    return sorted(path.name for path in (Path(settings.MEDIA_ROOT) / "invoices").glob("*"))


@pytest.fixture(autouse=True)
def empty_storage(settings: object, tmp_path: Path) -> None:
    """Give each test a storage of its own."""
    settings.MEDIA_ROOT = tmp_path  # type: ignore[attr-defined]


def test_it_has_the_lines_the_totals_and_the_tax(placed: Order) -> None:
    shown = text(invoice_pdf.render(placed, report=silently))

    for expected in (
        f"Invoice {placed.number}",
        "Ada Lovelace",
        "ada@example.com",
        "Bell",
        "€249.90",
        "Net",
        "€224.92",
        "Tax 20 %",
        "€44.98",
        "€269.90",
        "page 1 of 1",
    ):
        assert expected in shown


@pytest.mark.parametrize("name", ["Zoë Ångström", "Łukasz Żółć", "Ελένη", "Москва", "Nguyễn", "Ada & <b>"])
def test_names_keep_their_letters(placed: Order, name: str) -> None:
    placed.name = name

    assert name in text(invoice_pdf.render(placed, report=silently))


def test_letters_and_accents_apart_are_joined(placed: Order) -> None:
    placed.name = "Zoe\u0308"

    assert "Zoë" in text(invoice_pdf.render(placed, report=silently))


@pytest.mark.parametrize(
    ("name", "spelled"), [("東京", "DongJing"), ("שלום", "slvm"), ("राम", "ram"), ("😀", "grinning")]
)
def test_signs_the_font_lacks_are_spelled_and_not_dropped(
    placed: Order, name: str, spelled: str, caplog: pytest.LogCaptureFixture
) -> None:
    placed.name = name

    assert spelled in text(invoice_pdf.render(placed, report=silently))
    assert "missing" not in caplog.text


def test_a_name_without_spaces_breaks_and_stays_on_the_sheet(placed: Order) -> None:
    placed.name = "W" * 100

    shown = text(invoice_pdf.render(placed, report=silently))
    assert shown.count("W") == 100
    assert "W" * 100 not in shown


def test_many_lines_fill_several_pages(long_order: Order) -> None:
    pdf = invoice_pdf.render(long_order, report=silently)

    assert len(PdfReader(io.BytesIO(pdf)).pages) == 3
    assert "Thing 59" in text(pdf)


def test_the_same_order_gives_the_same_bytes(placed: Order) -> None:
    first, second = (invoice_pdf.render(placed, report=silently) for _ in range(2))

    assert first == second


def test_it_tells_how_far_it_is(placed: Order) -> None:
    reports: list[tuple[int, int]] = []
    invoice_pdf.render(placed, report=lambda done, total: reports.append((done, total)))

    assert reports == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_storing_twice_keeps_one_file_and_one_record(placed: Order) -> None:
    first = invoice.store(placed, report=silently)
    second = invoice.store(placed, report=silently)

    assert first == second
    assert Invoice.objects.count() == 1
    assert stored_files() == [f"{placed.public_id}.pdf"]


def test_a_file_left_by_a_worker_that_died_is_replaced(placed: Order) -> None:
    invoice.store(placed, report=silently)
    Invoice.objects.all().delete()  # the file is there, the record is not

    stored = invoice.store(placed, report=silently)
    assert stored_files() == [f"{placed.public_id}.pdf"]
    assert Path(stored.file.path).name == f"{placed.public_id}.pdf"


def test_a_file_that_is_gone_is_written_again(placed: Order) -> None:
    stored = invoice.store(placed, report=silently)
    stored.file.storage.delete(stored.file.name or "")

    again = invoice.store(placed, report=silently)
    assert again == stored
    assert stored_files() == [f"{placed.public_id}.pdf"]


def test_the_order_of_a_stored_invoice_may_still_be_read(placed: Order) -> None:
    stored = invoice.store(placed, report=silently)

    with stored.file.open("rb") as pdf:
        assert f"Invoice {placed.number}" in text(pdf.read())
    assert OrderLine.objects.filter(order=placed).count() == 2
