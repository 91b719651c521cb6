"""``manage.py deliveries``: a module for each subcommand, or for several that are alike.

They parse and print; what they do stands in ``operations``, ``ledger``, ``pruning`` and ``monitoring``.
"""

from signals_app.console.terminal.changing import CHANGES, PAUSES
from signals_app.console.terminal.screen import Subcommand, Terminal
from signals_app.console.terminal.showing import LIST, SHOW
from signals_app.console.terminal.status import STATUS
from signals_app.console.terminal.upkeep import CHECK, PRUNE

SUBCOMMANDS = {one.name: one for one in (STATUS, LIST, SHOW, *CHANGES, *PAUSES, PRUNE, CHECK)}

__all__ = ["SUBCOMMANDS", "Subcommand", "Terminal"]
