"""The lab's pages, as the tests use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigdemo.lab.kinds import Way
from tests.browser.visitor import PATIENCE, Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Locator


def enter(guest: Visitor) -> Visitor:
    """Go to the lab as staff, which is whom it is for."""
    guest.log_in()
    guest.open("/lab/")
    return guest


def choose(guest: Visitor, kind: str, *, seconds: float, fan_out: int = 1, ways: tuple[str, ...] = ()) -> None:
    """Fill in the form and send it."""
    guest.page.get_by_label(kind, exact=True).check()
    guest.page.get_by_label("Duration").fill(str(seconds))
    guest.page.get_by_label("Receivers").fill(str(fan_out))
    for way in Way if ways else ():
        guest.page.get_by_label(way.label, exact=True).set_checked(way.value in ways)
    guest.page.get_by_role("button", name="Run", exact=True).click()


def all_done(guest: Visitor) -> None:
    guest.page.locator("[data-live-words]").get_by_text("all done", exact=True).wait_for(timeout=PATIENCE)


def rows(guest: Visitor, way: str) -> list[Locator]:
    return guest.page.locator(f'.figures tbody tr[data-way="{way}"]').all()


def figure(row: Locator, name: str) -> float:
    """Return a figure of the table, in seconds."""
    return float(row.locator(f"[data-{name}]").get_attribute(f"data-{name}") or "nan")


def answered(guest: Visitor, way: str) -> float:
    return figure(rows(guest, way)[0], "answered")


def sentence(guest: Visitor, way: str) -> str:
    return guest.page.locator(f"#lane-{way} .sentence").inner_text()
