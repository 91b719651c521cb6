"""What operators do and look for: one set of functions, which the admin's pages and the commands call."""

from signals_app.operations.history import Operator
from signals_app.operations.kinds import CANCEL, RETRY, RUN_NOW, move_to, reassign_to
from signals_app.operations.names import require_pausable
from signals_app.operations.operation import Operation, Scope, permission_to
from signals_app.operations.pausing import PAUSE_PERMISSION, pause, resume
from signals_app.operations.performing import AT_ONCE, Result, matching, perform, perform_on
from signals_app.operations.selection import Selection

__all__ = [
    "AT_ONCE",
    "CANCEL",
    "PAUSE_PERMISSION",
    "RETRY",
    "RUN_NOW",
    "Operation",
    "Operator",
    "Result",
    "Scope",
    "Selection",
    "matching",
    "move_to",
    "pause",
    "perform",
    "perform_on",
    "permission_to",
    "reassign_to",
    "require_pausable",
    "resume",
]
