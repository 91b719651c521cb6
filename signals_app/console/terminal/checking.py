"""The subcommands that check the record and remove from it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from django.core.management.base import CommandError
from django.db import Error

from signals_app import ledger
from signals_app.console.terminal.choosing import count
from signals_app.console.terminal.screen import Options, Subcommand, Terminal, add_assent
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


def _check(options: Options, terminal: Terminal) -> None:
    problems, most = look().problems(max_wait=options["max_wait"]), options["max_failed"]
    if most is not None:
        try:
            if (failed := ledger.recently_failed()) > most:
                problems.append(f"In the last hour {failed} deliveries failed, more than {most}.")
        except Error:
            pass  # that the database does not answer has been said
    terminal.tell(lambda: {"ok": not problems, "problems": problems}, lambda: problems or ["All is well."])
    if problems:
        sys.exit(1)


CHECK = Subcommand(
    name="check",
    help="exit with 1 when something is wrong: for cron and health checks",
    add_arguments=_add_check_arguments,
    run=_check,
)


def _prune(options: Options, terminal: Terminal) -> None:
    expired, verb = pruning.to_be_pruned(), "would go"
    if not options["dry_run"]:
        if expired.total() and not terminal.agrees(options, f"Delete {_counted(expired)}?"):
            return
        pruned, verb = pruning.prune_all(), "went"
        if pruned is None:
            raise CommandError("Another process is pruning right now; look again in a moment.")
        expired = pruned
    terminal.tell(
        lambda: {"dry_run": options["dry_run"], "total": expired.total(), "states": expired},
        lambda: [f"{_counted(expired)} {verb}." if expired.total() else "Nothing is to be pruned."],
    )


def _counted(found: pruning.Pruned) -> str:
    *parts, last = [f"{found[state]} {state.label}" for state in State if found[state]]
    noun = "delivery" if found.total() == 1 else "deliveries"
    return f"{', '.join(parts)} and {last} {noun}" if parts else f"{last} {noun}"


PRUNE = Subcommand(
    name="prune", help='delete now what SIGNALS_APP["KEEP"] does not keep', add_arguments=add_assent, run=_prune
)
