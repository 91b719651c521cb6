"""``show``: all there is to know of one delivery."""

from __future__ import annotations

from argparse import ArgumentParser

from django.core.management.base import CommandError
from django.utils import timezone

from signals_app import ledger
from signals_app.logs import one_record
from signals_app.masking import masked_text
from signals_app.models import Attempt, Delivery
from signals_app.operations import Selection
from signals_app.operations.readable import process_name, readable_payload
from signals_app.terminal.choosing import delivery_id
from signals_app.terminal.facts import attempt_facts, facts_of, payload_of
from signals_app.terminal.screen import Options, Subcommand, Terminal

SHOWN = 25  # attempts, and other deliveries of the emission


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("id", type=delivery_id, metavar="ID", help="a delivery: 42 or #42")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _run(options: Options, terminal: Terminal) -> None:
    delivery = Selection(ids=(options["id"],)).rows().first()
    if delivery is None:
        raise CommandError(f"There is no delivery #{options['id']}.")
    alias = delivery._state.db  # not a replica, which may be behind
    attempts = list(delivery.bad_ends.using(alias).order_by("-number", "-pk")[:SHOWN])[::-1]
    others = Delivery.objects.using(alias).filter(emission=delivery.emission).exclude(pk=delivery.pk)
    siblings = list(others.defer("payload").order_by("pk")[:SHOWN])
    facts = facts_of(delivery, ledger.pauses(), now=timezone.now())
    if options["json"]:
        facts |= {"payload": payload_of(delivery), "bad_ends": [attempt_facts(one) for one in attempts]}
        facts["same_emission"] = [{"id": one.pk, "receiver": one.receiver, "state": one.state} for one in siblings]
        terminal.json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        terminal.line(f"{name.replace('_', ' '):<{width}}  {_said(value)}")
    terminal.line()
    terminal.text(readable_payload(delivery.payload))
    for attempt in attempts:
        _tell(attempt, terminal)
    for one in siblings:
        terminal.line()
        terminal.line(f"Of the same emission: #{one.pk} {one.receiver} {one.state}")


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "/".join(map(str, value))
    return "-" if value in (None, "") else str(value)


def _tell(attempt: Attempt, terminal: Terminal) -> None:
    process = process_name(attempt.owner)
    terminal.line()
    terminal.line(f"Attempt {attempt.number}: {attempt.outcome} {attempt.error_class} ({process})")
    for text in filter(None, (attempt.message, attempt.traceback)):
        terminal.text(one_record(f"\n{masked_text(text.rstrip())}").lstrip("\n"))


SHOW = Subcommand(name="show", help="print all of one delivery", add_arguments=_add_arguments, run=_run)
