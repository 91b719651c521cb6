"""``prune``."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import CommandError

from signals_app import pruning
from signals_app.models import State
from signals_app.terminal.asking import add_assent, assented
from signals_app.terminal.screen import Options, Subcommand, Terminal


def _add_arguments(parser: ArgumentParser) -> None:
    add_assent(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _run(options: Options, terminal: Terminal) -> None:
    expired = pruning.to_be_pruned()
    if options["dry_run"]:
        _tell(expired, options, terminal, "would go")
        return
    total = expired.total()
    if total and not assented(options, terminal, f"Delete {_counted(expired)}?"):
        return
    pruned = pruning.prune_all()
    if pruned is None:
        raise CommandError("Another process is pruning right now; look again in a moment.")
    _tell(pruned, options, terminal, "went")


def _tell(found: pruning.Pruned, options: Options, terminal: Terminal, verb: str) -> None:
    if options["json"]:
        numbers = {state.value: count for state, count in found.items()}
        terminal.json({"dry_run": options["dry_run"], "total": found.total(), "states": numbers})
    elif found.total():
        terminal.line(f"{_counted(found)} {verb}.")
    else:
        terminal.line("Nothing is to be pruned.")


def _counted(found: pruning.Pruned) -> str:
    parts = [f"{found[state]} {state.label}" for state in State if found[state]]
    noun = "delivery" if found.total() == 1 else "deliveries"
    return f"{' and '.join([', '.join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)} {noun}"


PRUNE = Subcommand(
    name="prune",
    help='delete now what SIGNALS_APP["KEEP"] does not keep',
    add_arguments=_add_arguments,
    run=_run,
)
