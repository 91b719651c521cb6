"""The subcommands that check the record and remove from it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from django.core.management.base import CommandError
from django.db import Error

from signals_app import ledger
from signals_app.console.terminal.choosing import count
from signals_app.console.terminal.screen import Options, Subcommand, Terminal, add_assent, assented
from signals_app.models import State
from signals_app.monitoring.health import look
from signals_app.worker import pruning


def _add_check_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--max-wait",
        type=count,
        metavar="SECONDS",
        help='a due delivery may wait so long; SIGNALS_APP["HEALTH_MAX_WAIT"] by default',
    )
    parser.add_argument("--max-failed", type=count, metavar="N", help="so many may have failed in the last hour")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _check(options: Options, terminal: Terminal) -> None:
    problems = look().problems(max_wait=options["max_wait"]) + _failures(options["max_failed"])
    if options["json"]:
        terminal.json({"ok": not problems, "problems": problems})
    for problem in [] if options["json"] else problems or ["All is well."]:
        terminal.line(problem)
    if problems:
        sys.exit(1)


def _failures(most: int | None) -> list[str]:
    if most is None:
        return []
    try:
        failed = ledger.recently_failed()
    except Error:
        return []  # that the database does not answer has been said
    return [f"In the last hour {failed} deliveries failed, more than {most}."] if failed > most else []


CHECK = Subcommand(
    name="check",
    help="exit with 1 when something is wrong: for cron and health checks",
    add_arguments=_add_check_arguments,
    run=_check,
)


def _add_prune_arguments(parser: ArgumentParser) -> None:
    add_assent(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _prune(options: Options, terminal: Terminal) -> None:
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
    add_arguments=_add_prune_arguments,
    run=_prune,
)
