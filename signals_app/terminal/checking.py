"""``check``: whether work flows, as an exit status."""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from django.db import Error

from signals_app import ledger
from signals_app.monitoring.health import look
from signals_app.terminal.choosing import count
from signals_app.terminal.screen import Options, Subcommand, Terminal


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--max-wait",
        type=count,
        metavar="SECONDS",
        help='a due delivery may wait so long; SIGNALS_APP["HEALTH_MAX_WAIT"] by default',
    )
    parser.add_argument("--max-failed", type=count, metavar="N", help="so many may have failed in the last hour")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _run(options: Options, terminal: Terminal) -> None:
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
        failed = ledger.failed_lately()
    except Error:
        return []  # that the database does not answer has been said
    return [f"In the last hour {failed} deliveries failed, more than {most}."] if failed > most else []


CHECK = Subcommand(
    name="check",
    help="exit with 1 when something is wrong: for cron and health checks",
    add_arguments=_add_arguments,
    run=_run,
)
