"""The subcommands that change deliveries, queues and receivers."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable

from django.core.management.base import CommandError

from signals_app import ledger
from signals_app.console.operations import (
    CANCEL,
    PAUSE_PERMISSION,
    RETRY,
    RUN_NOW,
    Operation,
    Operator,
    Result,
    matching,
    move_to,
    pause,
    perform,
    perform_on,
    reassign_to,
    require_pausable,
    resume,
)
from signals_app.console.queries import Selection
from signals_app.console.terminal.choosing import add_filters, number, selection_of
from signals_app.console.terminal.screen import (
    Options,
    Subcommand,
    Terminal,
    add_assent,
    add_operator,
    assented,
    operator_of,
)
from signals_app.models import PauseKind


def _arguments(*targets: tuple[str, str]) -> Callable[[ArgumentParser], None]:
    """Return the arguments that every change takes, and an option for what it needs beside."""

    def add(parser: ArgumentParser) -> None:
        for option, text in targets:
            parser.add_argument(option, required=True, help=text)
        add_filters(parser)
        parser.add_argument("--all", action="store_true", help="of all deliveries, where no filter is given")
        parser.add_argument("--limit", type=number, metavar="N", help="at most so many, the oldest")
        add_operator(parser)
        add_assent(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    return add


def _change(operation_of: Callable[[Options], Operation]) -> Callable[[Options, Terminal], None]:
    """Return what runs one of the subcommands."""

    def run(options: Options, terminal: Terminal) -> None:
        operation, selection = operation_of(options), selection_of(options)
        _require_choice(selection, options)
        number = matching(operation, selection).count()
        if options["limit"] is not None:
            number = min(number, options["limit"])
        if options["dry_run"]:
            _tell_plan(operation, number, options, terminal)
            return
        by = operator_of(options, operation.permission)
        if number and not assented(options, terminal, f"{operation.label()}: {_deliveries(number)}. Go on?"):
            return
        if selection == Selection(ids=selection.ids) and options["limit"] is None and selection.ids:
            result = perform(operation, selection.ids, by=by)
        else:
            result = perform_on(operation, selection, by=by, limit=options["limit"])
        _tell_result(result, options, terminal)

    return run


def _require_choice(selection: Selection, options: Options) -> None:
    """Refuse what may be a slip: no choice at all, and deliveries that do not exist."""
    if selection.is_everything and not options["all"]:
        raise CommandError("Name deliveries, give a filter, or say --all.")
    known = set(Selection(ids=selection.ids).rows().values_list("pk", flat=True)) if selection.ids else set()
    if missing := [f"#{one}" for one in sorted(selection.ids) if one not in known]:
        raise CommandError(f"There is no delivery {', '.join(missing)}. Nothing was changed.")


def _tell_plan(operation: Operation, number: int, options: Options, terminal: Terminal) -> None:
    if options["json"]:
        terminal.json({"operation": operation.name, "dry_run": True, "matching": number})
    else:
        terminal.line(f"{operation.label()}: {_deliveries(number)}. Nothing was changed.")


def _tell_result(result: Result, options: Options, terminal: Terminal) -> None:
    if options["json"]:
        changed = {"changed": list(result.changed), "refused": result.refused}
        terminal.json({"operation": result.operation.name, "dry_run": False, **changed})
    else:
        for sentence in result.sentences():
            terminal.line(sentence)


def _deliveries(number: int) -> str:
    return f"{number} {'delivery' if number == 1 else 'deliveries'}"


CHANGES = (
    Subcommand(
        name="retry",
        help="make failed and cancelled deliveries ready again",
        add_arguments=_arguments(),
        run=_change(lambda options: RETRY),
    ),
    Subcommand(
        name="cancel",
        help="cancel deliveries that wait",
        add_arguments=_arguments(),
        run=_change(lambda options: CANCEL),
    ),
    Subcommand(
        name="move",
        help="put deliveries that wait into another queue",
        add_arguments=_arguments(("--to", "the queue that they are to be in")),
        run=_change(lambda options: move_to(options["to"])),
    ),
    Subcommand(
        name="run-now",
        help="make deliveries that wait for later due now",
        add_arguments=_arguments(),
        run=_change(lambda options: RUN_NOW),
    ),
    Subcommand(
        name="reassign",
        help="give unroutable deliveries another receiver",
        add_arguments=_arguments(("--to", "the key of the receiver that is to have them")),
        run=_change(lambda options: reassign_to(options["to"])),
    ),
)


def _add_pause_arguments(parser: ArgumentParser) -> None:
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
        add_arguments=_add_pause_arguments,
        run=_pause,
    ),
    Subcommand(name="resume", help="end a pause", add_arguments=_add_pause_arguments, run=_resume),
)
