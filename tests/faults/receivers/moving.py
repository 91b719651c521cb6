"""A receiver that a cluster may not have: the variable FAULT_RECEIVER removes it there, or gives it another key."""

import os
from typing import Any

from signals_app.dispatcher import QueuedReceiver, queued
from tests.faults import journal
from tests.testapp.receivers import leave_effect

OLD, NEW = "exactly_once.moving", "exactly_once.moved"


def move(sender: object, **kwargs: Any) -> None:
    """Leave the effect."""
    journal.attempt()
    leave_effect("moved")


def define() -> QueuedReceiver | None:
    """Make it a receiver, as the environment says."""
    fate = os.environ.get("FAULT_RECEIVER")
    return None if fate == "removed" else queued(move, key=NEW if fate == "renamed" else OLD, atomic=True)


moving = define()
