"""A visitor in front of a real browser, who notices what goes wrong in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

Scheme = Literal["light", "dark"]
SCREENS: tuple[tuple[Scheme, int], ...] = (("light", 1280), ("dark", 390), ("dark", 1280), ("light", 390))
PATIENCE = 90_000  # milliseconds
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

    def log_in(self) -> None:
        """Have a session of ``root``, who may do everything; the form is tested in test_admin_pages."""
        user, _ = User.objects.get_or_create(username="root", defaults={"is_staff": True, "is_superuser": True})
        client = Client()
        client.force_login(user)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        self.page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": self.site}])

    def enter_lab(self) -> Visitor:
        """Go to the lab as staff, which is whom it is for."""
        self.log_in()
        self.open("/lab/")
        return self

    def order(self, **pieces: int) -> None:
        """Fill in the shop's form for products by name, and send it."""
        self.fill_in(**pieces)
        self.page.get_by_role("button", name="Place the order").click()
        self.page.wait_for_url("**/shop/orders/*/")

    def fill_in(self, **pieces: int) -> None:
        """Fill in the shop's form for products by name."""
        self.open("/shop/")
        for product, number in pieces.items():
            self.page.get_by_label(f"Quantity of {product}").fill(str(number))
        self.page.get_by_label("Your name").fill("Ada Lovelace")
        self.page.get_by_label("E-mail address").fill("ada@example.com")

    def hides(self, hidden: bool) -> None:
        """Turn away from the page's tab, or back to it."""
        self.page.evaluate(
            f"Object.defineProperty(document, 'hidden', {{value: {str(hidden).lower()}, configurable: true}});"
            "document.dispatchEvent(new Event('visibilitychange'));"
        )

    def is_untroubled(self) -> None:
        """Assert that nothing went wrong in the browser: no message, no breach of the policy."""
        assert self.complaints == []
        assert self.page.evaluate("window.violations") == []

    def fits(self) -> None:
        """Assert that the page is not wider than the screen."""
        excess = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert self.page.evaluate(excess) == 0

    def violations(self, where: str = "document", rules: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Return what axe has against the page's accessibility, by all of its rules or by these."""
        options = {"preload": False, "resultTypes": ["violations"]} | ({"runOnly": rules} if rules else {})
        self.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
        found: dict[str, Any] = self.page.evaluate(f"axe.run({where}, {json.dumps(options)})")
        self.complaints.clear()  # the policy has refused axe its styles
        return list(found["violations"])

    def is_well_made(self) -> None:
        """Assert that the page fits, ran without trouble, and that axe has no serious complaint about it."""
        self.fits()
        self.is_untroubled()
        found = [one for one in self.violations() if one["impact"] in {"serious", "critical", "moderate"}]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)


@contextmanager
def visitor(
    browser: Browser, site: str, *, width: int = 1280, scheme: Scheme = "light", javascript: bool = True
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
