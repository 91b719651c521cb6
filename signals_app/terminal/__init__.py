"""``manage.py deliveries``: a module for each subcommand, or for several that are alike.

They parse and print; what they do stands in ``operations``, ``ledger``, ``pruning`` and ``monitoring``.
"""

from signals_app.terminal.changing import CHANGES
from signals_app.terminal.checking import CHECK
from signals_app.terminal.listing import LIST
from signals_app.terminal.pausing import PAUSES
from signals_app.terminal.pruning import PRUNE
from signals_app.terminal.screen import Subcommand, Terminal
from signals_app.terminal.showing import SHOW
from signals_app.terminal.status import STATUS
from signals_app.terminal.top import TOP

SUBCOMMANDS = {one.name: one for one in (STATUS, TOP, LIST, SHOW, *CHANGES, *PAUSES, PRUNE, CHECK)}

__all__ = ["SUBCOMMANDS", "Subcommand", "Terminal"]
