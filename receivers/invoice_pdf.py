"""The invoice as a PDF document, set in Open Sans."""

import unicodedata
from collections.abc import Callable
from importlib.resources import as_file, files

from anyascii import anyascii
from django.utils import timezone
from fpdf import FPDF, FontFace
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import TTFFont

from sigdemo.shop.models import Order, OrderLine
from sigdemo.shop.money import euro, percent

INK, FAINT, RULE, ACCENT = (28, 33, 43), (92, 100, 116), (214, 209, 198), (184, 58, 20)
COLUMNS = (52, 14, 17, 17)  # shares of the table's width: product, pieces, price, amount
FAMILY = "opensans"
STEPS_AROUND_THE_LINES = 2  # the head before them, the totals and the file after them


def render(order: Order, *, report: Callable[[int, int], None]) -> bytes:
    """Return the invoice of ``order`` as a PDF; the same order gives the same bytes.

    ``report`` is called after each step with the steps done and their total number.
    """
    lines = list(order.lines.all())
    steps = len(lines) + STEPS_AROUND_THE_LINES
    page = _InvoicePage(order)
    page.head()
    report(1, steps)
    page.lines(lines, lambda done: report(done + 1, steps))
    page.totals()
    pdf = bytes(page.output())
    report(steps, steps)
    return pdf


class _InvoicePage(FPDF):
    """The sheet: A4, millimetres."""

    def __init__(self, order: Order) -> None:
        super().__init__(format="A4", unit="mm")
        self.order = order
        for style, weight in (("", "Regular"), ("B", "Bold")):
            with as_file(files("ttf_opensans") / "ttf" / f"OpenSans-{weight}.ttf") as path:
                self.add_font(FAMILY, style, path)
        self.set_creation_date(order.placed_at)
        self.set_title(f"Invoice {order.number}")
        self.set_lang("en")
        self.set_margins(20, 20)
        self.set_auto_page_break(True, margin=25)
        self.add_page()

    def footer(self) -> None:
        """Number the pages."""
        self.set_y(-15)
        self._write(f"Invoice {self.order.number}, page {self.page_no()} of {{nb}}", 8, FAINT)

    def head(self) -> None:
        """Write who sells, who buys, and which order this is."""
        self._write("Signal Supply", 10, ACCENT, style="B")
        self._write(f"Invoice {self.order.number}", 24, INK, style="B", height=14)
        placed = timezone.localtime(self.order.placed_at)
        self._write(f"{placed:%d %B %Y}", 10, FAINT)
        self.ln(8)
        self._write(self.readable(self.order.name), 11, INK)
        self._write(self.readable(self.order.email), 10, FAINT)
        self.ln(8)

    def lines(self, lines: list[OrderLine], report: Callable[[int], None]) -> None:
        """Write one row per product; ``report`` is told how many are written."""
        self._style(10, INK)
        self.set_draw_color(*RULE)
        with self.table(
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            col_widths=COLUMNS,
            headings_style=FontFace(emphasis="BOLD", color=FAINT),
            line_height=7,
            padding=(1, 1.5),
            text_align=("LEFT", "RIGHT", "RIGHT", "RIGHT"),
        ) as table:
            table.row(("Product", "Pieces", "Price", "Amount"))
            for done, line in enumerate(lines, start=1):
                amounts = (str(line.quantity), euro(line.unit_price), euro(line.total))
                table.row((self.readable(line.name), *amounts))
                report(done)

    def totals(self) -> None:
        """Write the sums: net, tax, total."""
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.ln(5)
        rate = percent(self.order.tax_rate)
        for label, amount in (("Net", self.order.net), (f"Tax {rate}", self.order.tax)):
            self._sum(label, euro(amount), 10, FAINT)
        self._sum("Total", euro(self.order.total), 13, INK, style="B")

    def readable(self, text: str) -> str:
        """Return ``text`` with the signs the font lacks spelled in Latin letters, so none is lost."""
        font = self.fonts[FAMILY]
        known = font.cmap if isinstance(font, TTFFont) else {}
        composed = unicodedata.normalize("NFC", text)
        return "".join(sign if ord(sign) in known else anyascii(sign) for sign in composed)

    def _style(self, size: float, colour: tuple[int, int, int], style: str = "") -> None:
        self.set_font(FAMILY, style, size)
        self.set_text_color(*colour)

    def _write(
        self,
        text: str,
        size: float,
        colour: tuple[int, int, int],
        style: str = "",
        height: float = 6,
    ) -> None:
        self._style(size, colour, style)
        self.multi_cell(0, height, text, new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")

    def _sum(self, label: str, amount: str, size: float, colour: tuple[int, int, int], style: str = "") -> None:
        self._style(size, colour, style)
        self.cell(self.epw * 0.75, 8, label, align="R")
        self.cell(0, 8, amount, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
