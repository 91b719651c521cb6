"""The guided path of the start page, walked in a real browser: each of its steps turns done."""

from __future__ import annotations

import pytest

from tests.browser.lab import all_done, verdict
from tests.browser.visitor import PATIENCE, Visitor
from tests.cluster import Cluster

BELL = "Brass ship's bell"


def done(guest: Visitor) -> list[str]:
    """Return the start page's steps that are done."""
    guest.open("/")
    return [step.get_attribute("data-step") or "" for step in guest.page.locator('[data-done="true"]').all()]


@pytest.mark.database
def test_each_step_of_the_path_turns_done(lise: Visitor, cluster: Cluster) -> None:
    """Log in as staff, since the warehouse and the lab are for them here."""
    page = lise.page
    assert done(lise) == []
    page.get_by_role("button", name="Make the warehouse fail twice").click()
    page.get_by_role("link", name="Place an order and watch it").click()
    lise.order(**{BELL: 1})
    page.get_by_text("Retrying in").wait_for(timeout=PATIENCE)
    assert done(lise) == ["order"]

    page.get_by_role("link", name="Open the trace of your order").click()
    page.wait_for_url("**/admin/signals_app/delivery/emission/**")
    assert page.get_by_text("notify_warehouse").first.is_visible()
    assert done(lise) == ["order", "trace"]

    page.get_by_role("link", name="Go to the lab").click()
    page.get_by_role("button", name="Show me").click()
    all_done(lise)
    said = verdict(lise)
    assert done(lise) == ["order", "trace", "lab"]
    assert page.get_by_role("link", name=said).is_visible()
    lise.is_untroubled()
