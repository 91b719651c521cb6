"""The admin, Django's own pages included, keeps to the Content-Security-Policy."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from django.contrib.auth.models import User

from tests.browser.visitor import Visitor

LINKS = "links => links.map(link => link.href)"


def log_in(guest: Visitor, name: str, password: str) -> None:
    guest.open("/admin/")
    guest.page.get_by_label("Username").fill(name)
    guest.page.get_by_label("Password").fill(password)
    guest.page.get_by_role("button", name="Log in").click()
    guest.page.wait_for_url("**/admin/")


def links_of(guest: Visitor) -> set[str]:
    """Return the paths in the admin that the page leads to."""
    found = guest.page.eval_on_selector_all("a[href]", LINKS)
    paths = {urlsplit(urljoin(guest.page.url, link)).path for link in found if link.startswith(guest.site)}
    return {path for path in paths if path.startswith("/admin/")}


def kind_of(path: str) -> str:
    """Return a path without the keys in it: pages of one kind are alike."""
    known = {"add", "change", "delete", "history", "password"}
    app_and_model, rest = path.split("/")[2:4], path.split("/")[4:]
    return "/".join(app_and_model + [part for part in rest if part in known])


def test_no_page_of_the_admin_breaks_the_policy(ada: Visitor) -> None:
    User.objects.create_superuser("root", password="a secret")
    log_in(ada, "root", "a secret")
    waiting, seen = {"/admin/"}, set[str]()

    while waiting:
        path = min(waiting)
        waiting.remove(path)
        seen.add(kind_of(path))
        ada.open(path)
        assert ada.complaints == [], path
        ada.is_untroubled()
        waiting |= {link for link in links_of(ada) if kind_of(link) not in seen}

    assert {"auth/user/change", "shop/product", "shop/product/change", "auth/group/add"} <= seen
