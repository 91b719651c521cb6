"""A visitor in front of a real browser, who notices what goes wrong in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

Scheme = Literal["light", "dark"]
AXE = "axe.min.js"
NOTE_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


class Visitor:
    """One page of a browser; ``complaints`` is what its console said, errors and warnings."""

    def __init__(self, page: Page, site: str) -> None:
        self.page = page
        self.site = site
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> None:
        """Go to a page of the site."""
        self.page.goto(f"{self.site}{path}")

    def order(self, **pieces: int) -> None:
        """Fill in the shop's form for products by name, and send it."""
        self.open("/shop/")
        for product, number in pieces.items():
            self.page.get_by_label(f"Quantity of {product}").fill(str(number))
        self.page.get_by_label("Your name").fill("Ada Lovelace")
        self.page.get_by_label("E-mail address").fill("ada@example.com")
        self.page.get_by_role("button", name="Place the order").click()
        self.page.wait_for_url("**/shop/orders/*/")

    def state_of(self, receiver: str) -> str:
        """Return the word that the order's page shows for a delivery."""
        track = self.page.locator(".track").filter(has_text=receiver)
        return track.locator(".state").inner_text().strip()

    def is_untroubled(self) -> None:
        """Assert that nothing went wrong in the browser: no message, no breach of the policy."""
        assert self.complaints == []
        assert self.page.evaluate("window.violations") == []

    def fits(self) -> None:
        """Assert that the page is not wider than the screen."""
        excess = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(excess) == 0

    def finds_nothing_serious(self) -> None:
        """Assert that axe has no serious complaint about the page's accessibility."""
        self.page.evaluate((files("axe_playwright_python") / AXE).read_text())
        found = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        serious = [
            f"{one['id']}: {one['help']}: {json.dumps([node['html'] for node in one['nodes']])}"
            for one in found["violations"]
            if one["impact"] in {"serious", "critical", "moderate"}
        ]
        assert serious == []

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@contextmanager
def visitor(
    browser: Browser,
    site: str,
    *,
    width: int = 1280,
    scheme: Scheme = "light",
    javascript: bool = True,
) -> Iterator[Visitor]:
    """Open a window of its own, with a profile of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        java_script_enabled=javascript,
        accept_downloads=True,
    )
    try:
        context.add_init_script(NOTE_VIOLATIONS)
        yield Visitor(context.new_page(), site)
    finally:
        context.close()
