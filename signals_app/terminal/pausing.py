"""``pause`` and ``resume``."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable

from signals_app import ledger
from signals_app.models import PauseKind
from signals_app.operations import PAUSE_PERMISSION, Operator, pause, require_pausable, resume
from signals_app.terminal.asking import add_assent, add_operator, assented, operator_of
from signals_app.terminal.screen import Options, Subcommand, Terminal


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("kind", type=str.upper, choices=[kind.value for kind in PauseKind], help="QUEUE or RECEIVER")
    parser.add_argument("name", help="the queue's name, or the receiver's key")
    add_operator(parser)
    add_assent(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _pause(options: Options, terminal: Terminal) -> None:
    require_pausable(PauseKind(options["kind"]), options["name"])
    _set(options, terminal, verb="Pause", done="paused", act=lambda kind, name, by: pause(kind, name, by=by))


def _resume(options: Options, terminal: Terminal) -> None:
    _set(options, terminal, verb="Resume", done="resumed", act=lambda kind, name, by: resume(kind, name, by=by))


def _set(
    options: Options, terminal: Terminal, *, verb: str, done: str, act: Callable[[PauseKind, str, Operator], bool]
) -> None:
    kind, name, is_asked = PauseKind(options["kind"]), options["name"], not options["dry_run"]
    what = f"the {kind.label} {name}"
    changes = ledger.is_paused(kind, name) == (done == "resumed")
    if is_asked:
        by = operator_of(options, PAUSE_PERMISSION)
        if changes and not assented(options, terminal, f"{verb} {what}?"):
            return
        changes = act(kind, name, by)
    if options["json"]:
        terminal.json({"kind": kind.value, "name": name, done: changes, "dry_run": options["dry_run"]})
    elif not changes:
        terminal.line(f"{what[0].upper()}{what[1:]} was {'not paused' if done == 'resumed' else 'paused already'}.")
    elif is_asked:
        terminal.line(f"{what[0].upper()}{what[1:]} is {done}.")
    else:
        terminal.line(f"{what[0].upper()}{what[1:]} would be {done}. Nothing was changed.")


PAUSES = (
    Subcommand(
        name="pause",
        help="let nobody claim from a queue, or for a receiver",
        add_arguments=_add_arguments,
        run=_pause,
    ),
    Subcommand(name="resume", help="end a pause", add_arguments=_add_arguments, run=_resume),
)
