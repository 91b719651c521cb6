"""``manage.py deliveries``. Its subcommands parse and print; what they do stands elsewhere."""

from signals_app.console.terminal.changing import CHANGES
from signals_app.console.terminal.screen import Terminal
from signals_app.console.terminal.showing import SHOWS

SUBCOMMANDS = {one.name: one for one in (*SHOWS, *CHANGES)}

__all__ = ["SUBCOMMANDS", "Terminal"]
