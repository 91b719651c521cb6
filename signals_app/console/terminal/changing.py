"""The subcommands that change deliveries, queues and receivers."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from collections.abc import Callable

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.core.management.base import CommandError

from signals_app import ledger
from signals_app.console.operations import (
    CANCEL,
    PAUSE_PERMISSION,
    RETRY,
    RUN_NOW,
    Operation,
    Operator,
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
from signals_app.console.terminal.screen import Options, Subcommand, Terminal, add_assent
from signals_app.models import PauseKind


def _change(name: str, text: str, operation_of: Callable[[str], Operation], to: str = "") -> Subcommand:
    """Return the subcommand that does an operation; ``to`` says what it does it with, where that has to be named."""

    def add_arguments(parser: ArgumentParser) -> None:
        if to:
            parser.add_argument("--to", required=True, help=to)
        add_filters(parser)
        parser.add_argument("--all", action="store_true", help="of all deliveries, where no filter is given")
        parser.add_argument("--limit", type=number, metavar="N", help="at most so many, the oldest")
        _add_operator(parser)

    def run(options: Options, terminal: Terminal) -> None:
        operation, selection, limit = operation_of(options.get("to", "")), selection_of(options), options["limit"]
        _require_choice(selection, options)
        there_are = matching(operation, selection).count()
        chosen = there_are if limit is None else min(there_are, limit)
        plan = f"{operation.label()}: {chosen} {'delivery' if chosen == 1 else 'deliveries'}."
        told = {"operation": operation.name, "dry_run": options["dry_run"]}
        if options["dry_run"]:
            terminal.tell(lambda: told | {"matching": chosen}, lambda: [f"{plan} Nothing was changed."])
            return
        by = _operator(options, operation.permission)
        if chosen and not terminal.agrees(options, f"{plan} Go on?"):
            return
        if selection == Selection(ids=selection.ids) and limit is None and selection.ids:
            result = perform(operation, selection.ids, by=by)
        else:
            result = perform_on(operation, selection, by=by, limit=limit)
        terminal.tell(lambda: told | {"changed": result.changed, "refused": result.refused}, result.sentences)

    return Subcommand(name=name, help=text, add_arguments=add_arguments, run=run)


def _require_choice(selection: Selection, options: Options) -> None:
    """Refuse what may be a slip: no choice at all, and deliveries that do not exist."""
    if selection.is_everything and not options["all"]:
        raise CommandError("Name deliveries, give a filter, or say --all.")
    known = set(Selection(ids=selection.ids).rows().values_list("pk", flat=True)) if selection.ids else set()
    if missing := [f"#{one}" for one in sorted(selection.ids) if one not in known]:
        raise CommandError(f"There is no delivery {', '.join(missing)}. Nothing was changed.")


def _set(
    name: str, text: str, done: str, require: Callable[[PauseKind, str], None], act: Callable[..., bool]
) -> Subcommand:
    """Return the subcommand that begins a pause or ends one."""

    def add_arguments(parser: ArgumentParser) -> None:
        kinds = [kind.value for kind in PauseKind]
        parser.add_argument("kind", type=str.upper, choices=kinds, help="QUEUE or RECEIVER")
        parser.add_argument("name", help="the queue's name, or the receiver's key")
        _add_operator(parser)

    def run(options: Options, terminal: Terminal) -> None:
        kind, of, is_dry = PauseKind(options["kind"]), options["name"], options["dry_run"]
        require(kind, of)
        changes = ledger.is_paused(kind, of) == (done == "resumed")
        if not is_dry:
            by = _operator(options, PAUSE_PERMISSION)
            if changes and not terminal.agrees(options, f"{name.capitalize()} the {kind.label} {of}?"):
                return
            changes = act(kind, of, by=by)
        if not changes:
            became = "was not paused" if done == "resumed" else "was paused already"
        else:
            became = f"would be {done}. Nothing was changed" if is_dry else f"is {done}"
        terminal.tell(
            lambda: {"kind": kind, "name": of, done: changes, "dry_run": is_dry},
            lambda: [f"The {kind.label} {of} {became}."],
        )

    return Subcommand(name=name, help=text, add_arguments=add_arguments, run=run)


def _add_operator(parser: ArgumentParser) -> None:
    parser.add_argument("--as", dest="user", default="", metavar="USER", help="who does it, for the admin's history")
    add_assent(parser)


def _operator(options: Options, permission: str) -> Operator:
    """Return the user that ``--as`` names.

    Raises CommandError where there is none, or the user may not do it in the admin either. A project without the admin
    has no history that a user would be entered in; there ``--as`` may be left out.
    """
    name = options["user"]
    if not name:
        if apps.is_installed("django.contrib.admin"):
            raise CommandError("Say who does it with --as USER: every change is entered in the admin's history.")
        try:
            return Operator(name=f"{getpass.getuser()} at a terminal")
        except (KeyError, OSError):  # a container may run under a user that has no name
            return Operator(name="somebody at a terminal")
    try:
        user = get_user_model()._default_manager.get_by_natural_key(name)
    except ImproperlyConfigured:
        raise CommandError("This project has no users: leave out --as.") from None
    except ObjectDoesNotExist:
        raise CommandError(f"There is no user {name!r}.") from None
    if not user.is_active or not user.has_perm(permission):
        raise CommandError(f"{name} may not do that: it takes the permission {permission}.")
    return Operator.of(user)


CHANGES = (
    _change("retry", "make failed and cancelled deliveries ready again", lambda to: RETRY),
    _change("cancel", "cancel deliveries that wait", lambda to: CANCEL),
    _change("move", "put deliveries that wait into another queue", move_to, to="the queue that they are to be in"),
    _change("run-now", "make deliveries that wait for later due now", lambda to: RUN_NOW),
    _change(
        "reassign",
        "give unroutable deliveries another receiver",
        reassign_to,
        to="the key of the receiver that is to have them",
    ),
    _set("pause", "let nobody claim from a queue, or for a receiver", "paused", require_pausable, pause),
    _set("resume", "end a pause", "resumed", lambda kind, name: None, resume),
)
