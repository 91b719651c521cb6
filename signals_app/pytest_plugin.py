"""Fixtures for projects that test with pytest and pytest-django, found by its entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from signals_app.testing import CapturedDeliveries

# What needs Django's settings is imported by the tests that use it: pytest loads this module in any project.


@pytest.fixture
def deliveries(db: None) -> Iterator[CapturedDeliveries]:
    """Return the deliveries that the test writes."""
    from signals_app.testing import capture_deliveries

    with capture_deliveries() as captured:
        yield captured


@pytest.fixture
def run_deliveries(db: None) -> Callable[..., int]:
    """Return signals_app.testing.run_deliveries."""
    from signals_app.testing import run_deliveries

    return run_deliveries
