"""For tests of projects that use the app."""

from signals_app.testing.crashes import crash_everywhere
from signals_app.testing.deliveries import (
    CapturedDeliveries,
    assert_handed_off,
    capture_deliveries,
    run_deliveries,
)
from signals_app.testing.points import Call

__all__ = [
    "Call",
    "CapturedDeliveries",
    "assert_handed_off",
    "capture_deliveries",
    "crash_everywhere",
    "run_deliveries",
]
