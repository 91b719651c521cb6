"""The lab's pages, as the tests use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigdemo.lab.kinds import Way
from tests.browser.visitor import PATIENCE, Visitor

if TYPE_CHECKING:
    from playwright.sync_api import Locator


def choose(guest: Visitor, kind: str, *, seconds: float, fan_out: int = 1, ways: tuple[str, ...] = ()) -> None:
    """Fill in the form of the seven ways and send it."""
    open_all(guest, ".fold", ".others")
    guest.page.get_by_label(kind, exact=True).check()
    guest.page.get_by_label("Duration").fill(str(seconds))
    guest.page.get_by_label("Receivers").fill(str(fan_out))
    for way in Way if ways else ():
        guest.page.get_by_label(way.label, exact=True).set_checked(way.value in ways)
    guest.page.get_by_role("button", name="Run", exact=True).click()


def open_all(guest: Visitor, *folded: str) -> None:
    """Unfold what is folded."""
    for part in folded:
        if guest.page.locator(f"{part}:not([open])").count():
            guest.page.locator(f"{part} > summary").click()


def is_over(guest: Visitor) -> None:
    """Wait until everything was run."""
    guest.page.locator("[data-live-words]").get_by_text("all done", exact=True).wait_for(timeout=PATIENCE)


def all_done(guest: Visitor) -> None:
    """Wait until everything was run, and look at the figures."""
    is_over(guest)
    open_all(guest, ".all-figures")


def rows(guest: Visitor, way: str, *, group: str = "lane") -> list[Locator]:
    return guest.page.locator(f'.figures tbody tr[data-group="{group}"][data-way="{way}"]').all()


def answered(guest: Visitor, way: str) -> float:
    """Return after how many seconds a way answered, as the table says."""
    return float(rows(guest, way)[0].locator("[data-answered]").get_attribute("data-answered") or "nan")


def verdict(guest: Visitor) -> str:
    return guest.page.locator("#verdict").inner_text()


def badges(guest: Visitor, way: str) -> list[str]:
    """Return the badges of a lane, but for the one of other visitors, whose figure is the machine's."""
    words = guest.page.locator(f"#lane-{way} .badges li").all_inner_texts()
    return [word.strip() for word in words if "slows" not in word]
