"""The subcommands that change deliveries, queues and receivers, and ``prune``."""

from __future__ import annotations

import getpass
import logging
from argparse import ArgumentParser
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured, ObjectDoesNotExist
from django.core.management.base import CommandError
from django.utils import timezone

from signals_app import ledger
from signals_app.console.operations import (
    LONGEST_PAUSE,
    OPERATIONS,
    PAUSE_PERMISSION,
    Operation,
    Operator,
    matching,
    perform,
    perform_on,
    require_pausable,
    set_paused,
)
from signals_app.console.queries import Selection
from signals_app.console.terminal.choosing import add_filters, number, selection_of, span
from signals_app.console.terminal.screen import Options, Subcommand, Terminal, add_assent
from signals_app.models import PauseKind, State
from signals_app.redaction.logs import get_logger
from signals_app.worker import pruning

# without LOGGING Python prints a warning itself, beside the sentence that the terminal prints
get_logger("signals_app.operations").addHandler(logging.NullHandler())


def _change(operation: Operation) -> Subcommand:
    def add_arguments(parser: ArgumentParser) -> None:
        if operation.target:
            parser.add_argument("--to", required=True, help=str(operation.target.question).lower())
        add_filters(parser)
        parser.add_argument("--all", action="store_true", help="of all deliveries, where no filter is given")
        parser.add_argument("--limit", type=number, metavar="N", help="at most N, the oldest first")
        _add_operator(parser)

    def run(options: Options, terminal: Terminal) -> None:
        aimed, selection, limit = operation.aimed_at(options.get("to", "")), selection_of(options), options["limit"]
        _require_choice(selection, options)
        there_are = matching(aimed, selection).count()
        chosen = there_are if limit is None else min(there_are, limit)
        plan = f"{aimed.label()}: {chosen} {'delivery' if chosen == 1 else 'deliveries'}."
        told = {"operation": aimed.name, "dry_run": options["dry_run"]}
        if options["dry_run"]:
            terminal.tell(lambda: told | {"matching": chosen}, lambda: [f"{plan} Nothing was changed."])
            return
        by = _operator(options, aimed.permission)
        if chosen and not terminal.agrees(options, f"{plan} Go on?"):
            return
        if selection == Selection(ids=selection.ids) and limit is None and selection.ids:
            result = perform(aimed, selection.ids, by=by)
        else:
            result = perform_on(aimed, selection, by=by, limit=limit)
        terminal.tell(lambda: told | {"changed": result.changed, "refused": result.refused}, result.sentences)

    return Subcommand(name=operation.name.replace("_", "-"), help=operation.help, add_arguments=add_arguments, run=run)


def _require_choice(selection: Selection, options: Options) -> None:
    """Refuse what may be a slip: no choice at all, and deliveries that do not exist."""
    if selection == Selection() and not options["all"]:
        raise CommandError("Give delivery ids or a filter, or use --all.")
    known = set(Selection(ids=selection.ids).rows().values_list("pk", flat=True)) if selection.ids else set()
    if missing := [f"#{one}" for one in sorted(selection.ids) if one not in known]:
        raise CommandError(f"There is no delivery {', '.join(missing)}. Nothing was changed.")


def _pausing(name: str, text: str, *, paused: bool) -> Subcommand:
    def add_arguments(parser: ArgumentParser) -> None:
        kinds = [kind.value for kind in PauseKind]
        parser.add_argument("kind", type=str.upper, choices=kinds, help="QUEUE, RECEIVER or SCHEDULE")
        parser.add_argument("name", help="the queue's name, or the key of the receiver or the schedule")
        if paused:
            parser.add_argument("--reason", default="", metavar="TEXT", help="why, for those who see the pause")
            parser.add_argument("--for", type=span, metavar="SPAN", help="resume it by itself after that: 15m, 2h, 3d")
        _add_operator(parser)

    def run(options: Options, terminal: Terminal) -> None:
        kind, of, is_dry = PauseKind(options["kind"]), options["name"], options["dry_run"]
        details: dict[str, Any] = {}
        if paused:
            lasts = None if options["for"] is None else min(options["for"], 2 * LONGEST_PAUSE)  # which is refused below
            details = {"reason": options["reason"], "until": None if lasts is None else timezone.now() + lasts}
            require_pausable(kind, of, **details)
        changes = ledger.is_paused(kind, of) != paused or any(details.values())
        said = f"The {kind.label} {of} would be {name}d. Nothing was changed." if changes else "Nothing would change."
        if not is_dry:
            by = _operator(options, PAUSE_PERMISSION)
            if changes and not terminal.agrees(options, f"{name.capitalize()} the {kind.label} {of}?"):
                return
            changes, said = set_paused(kind, of, paused, by=by, **details)
        facts = {"kind": kind, "name": of, f"{name}d": changes, "dry_run": is_dry, **details}
        terminal.tell(lambda: facts, lambda: [said])

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
            raise CommandError("Add --as USER: the admin's history records who makes each change.")
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


def _prune(options: Options, terminal: Terminal) -> None:
    expired, verb = pruning.to_be_pruned(), "would be deleted"
    if not options["dry_run"]:
        if expired.total() and not terminal.agrees(options, f"Delete {_counted(expired)}?"):
            return
        pruned, verb = pruning.prune_all(), "deleted"
        if pruned is None:
            raise CommandError("Another process is pruning right now; try again in a moment.")
        expired = pruned
    terminal.tell(
        lambda: {"dry_run": options["dry_run"], "total": expired.total(), "states": expired},
        lambda: [f"{_counted(expired)} {verb}." if expired.total() else "There is nothing to prune."],
    )


def _counted(found: pruning.Pruned) -> str:
    *parts, last = [f"{found[state]} {state.label}" for state in State if found[state]]
    noun = "delivery" if found.total() == 1 else "deliveries"
    return f"{', '.join(parts)} and {last} {noun}" if parts else f"{last} {noun}"


CHANGES = (
    *map(_change, OPERATIONS.values()),
    _pausing("pause", "stop claims from a queue or for a receiver, or the ticks of a schedule", paused=True),
    _pausing("resume", "end a pause", paused=False),
    Subcommand(
        name="prune", help='delete now what SIGNALS_APP["KEEP"] does not keep', add_arguments=add_assent, run=_prune
    ),
)
