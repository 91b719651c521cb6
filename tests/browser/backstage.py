"""What tests of the admin do in a browser."""

from __future__ import annotations

from importlib.resources import files

from tests.browser.visitor import AXE, Visitor


def log_in(guest: Visitor) -> None:
    """Log in as ``root``, whose password is ``a secret``."""
    guest.open("/admin/")
    guest.page.get_by_label("Username").fill("root")
    guest.page.get_by_label("Password").fill("a secret")
    guest.page.get_by_role("button", name="Log in").click()
    guest.page.wait_for_url("**/admin/")


def barriers(guest: Visitor) -> list[str]:
    """Return what axe has against a page, but for the breadcrumbs and the search form, which are stock admin's."""
    guest.page.evaluate((files("axe_playwright_python") / AXE).read_text())
    found = guest.page.evaluate("axe.run({exclude: ['.breadcrumbs', '#toolbar']}, {preload: false})")
    guest.complaints.clear()  # the policy has refused axe its styles
    return [f"{one['id']}: {node['html']}" for one in found["violations"] for node in one["nodes"]]
