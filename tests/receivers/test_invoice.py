"""The invoice: what stands in it, and that rendering it twice does no harm."""

import io
from pathlib import Path

import pytest
from django.conf import settings
from pypdf import PdfReader

from receivers import invoice, invoice_pdf
from sigdemo.shop.models import Invoice, Order, Product


def silently(done: int, total: int) -> None: ...


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
    sums = ("€249.90", "Net", "€224.92", "Tax 20%", "€44.98", "€269.90")
    expected = (f"Invoice {placed.number}", "Ada Lovelace", "ada@example.com", "Bell", *sums, "page 1 of 1")
    assert [words for words in expected if words not in shown] == []


NAMES = ("Zoë Ångström", "Łukasz Żółć", "Ελένη", "Москва", "Nguyễn", "Ada & <b>")
SPELLED = (("Zoe\u0308", "Zoë"), ("東京", "DongJing"), ("שלום", "slvm"), ("राम", "ram"), ("😀", "grinning"))


@pytest.mark.parametrize(("name", "shown"), [*((name, name) for name in NAMES), *SPELLED])
def test_names_keep_their_letters_and_signs_the_font_lacks_are_spelled(
    placed: Order, name: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    placed.name = name
    assert shown in text(invoice_pdf.render(placed, report=silently))
    assert "missing" not in caplog.text


def test_a_name_without_spaces_breaks_and_stays_on_the_sheet(placed: Order) -> None:
    placed.name = "W" * 100
    shown = text(invoice_pdf.render(placed, report=silently))
    assert shown.count("W") == 100
    assert "W" * 100 not in shown


def test_many_lines_fill_several_pages(placed: Order) -> None:
    for number in range(60):
        product = Product.objects.create(sku=f"sku-{number}", name=f"Thing {number}", price=1, stock=1)
        placed.lines.create(product=product, name=product.name, unit_price=1, quantity=1)
    pdf = invoice_pdf.render(placed, report=silently)
    assert len(PdfReader(io.BytesIO(pdf)).pages) == 3
    assert "Thing 59" in text(pdf)


def test_the_same_order_gives_the_same_bytes_and_tells_how_far_it_is(placed: Order) -> None:
    reports: list[tuple[int, int]] = []
    first = invoice_pdf.render(placed, report=lambda done, total: reports.append((done, total)))
    assert first == invoice_pdf.render(placed, report=silently)
    assert reports == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_storing_again_keeps_one_file_and_one_record_whatever_was_lost(placed: Order) -> None:
    first = invoice.store(placed, report=silently)
    assert invoice.store(placed, report=silently) == first
    first.file.storage.delete(first.file.name or "")  # the record is there, the file is not
    assert invoice.store(placed, report=silently) == first
    Invoice.objects.all().delete()  # the file is there, the record is not
    stored = invoice.store(placed, report=silently)
    assert Invoice.objects.count() == 1
    assert stored_files() == [Path(stored.file.path).name] == [f"{placed.public_id}.pdf"]
    with stored.file.open("rb") as pdf:
        assert f"Invoice {placed.number}" in text(pdf.read())
