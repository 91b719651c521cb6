"""``manage.py deliveries``: a module for subcommands that are alike.

They parse and print; what they do stands in ``operations``, ``ledger``, ``pruning`` and ``monitoring``.
"""

from signals_app.console.terminal.changing import CHANGES
from signals_app.console.terminal.checking import CHECK, PRUNE
from signals_app.console.terminal.screen import Terminal
from signals_app.console.terminal.showing import LIST, SHOW, STATUS

SUBCOMMANDS = {one.name: one for one in (STATUS, LIST, SHOW, *CHANGES, PRUNE, CHECK)}

__all__ = ["SUBCOMMANDS", "Terminal"]
