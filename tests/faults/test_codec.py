"""The codec under attack: hostile values are refused or travel, forged payloads make an error or harmless values.

In its short form 1,500 inputs, at full size 100,000; the ledger tells how many were tried.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signals_app.dispatcher import queued
from signals_app.exceptions import MissingObject, PayloadError
from signals_app.models import FINAL_STATES, Delivery, State
from signals_app.payloads import Decoded, decode_arguments, encode_arguments
from signals_app.payloads.errors import Json
from signals_app.worker import loop
from tests.faults.harness import size
from tests.payload_app.attacks import forged, hostile, names
from tests.payload_app.strategies import fingerprint, values
from tests.testapp.receivers import enqueue, nothing
from tests.testapp.signals import plain

pytestmark = [pytest.mark.database, pytest.mark.django_db(databases=["default", "other"])]


@queued(key="tests.faults.codec", snapshot=("kept",))
def keeps(sender: object, **kwargs: Any) -> None:
    """Is handed what nobody should send."""


Attack = Callable[..., None]


def attack(strategy: st.SearchStrategy[Any], inputs: int, attempt: Attack) -> int:
    """Make an attempt with that many inputs; return how many were tried, those that were drawn in vain among them."""
    tried = 0

    @settings(deadline=None, max_examples=inputs, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def attempts(given: Any) -> None:
        nonlocal tried
        tried += 1
        attempt(*given)

    attempts()
    return tried


def decode(payload: Json) -> None:
    """Decode, and fail unless that makes a value or an error that a worker records."""
    with suppress(PayloadError, MissingObject):
        assert type(decode_arguments(json.dumps(payload))) is Decoded
    assert not {"antigravity", "this"} & set(sys.modules)  # which the forgeries name


@pytest.mark.fault(27, "hostile values sent")
def test_a_hostile_value_is_refused_in_a_sentence_or_travels(record_property: Any) -> None:
    enqueued = 0

    def send(name: str, value: object, kept: object, sender: object) -> None:
        nonlocal enqueued
        try:
            delivery = keeps(signal=plain, sender=sender, kept=kept, **{f"_{name}": value})
        except PayloadError as error:
            require_sentence(str(error))
        else:
            assert isinstance(delivery, Delivery)
            enqueued += 1
            require_there_and_back(delivery.payload)

    anything = st.one_of(hostile, values)
    tried = attack(st.tuples(names, anything, anything, anything), size(500, 30_000), send)
    record_property("inputs", tried)
    record_property("handed off", enqueued)
    assert 0 < enqueued < tried
    assert Delivery.objects.count() == enqueued  # of those that were refused nothing was written


def require_there_and_back(payload: str) -> None:
    """Fail unless what was handed off is read, and handed off once more comes to the same."""
    try:
        decoded = decode_arguments(payload)
    except (MissingObject, PayloadError) as error:
        if "payload_app.ByCode" not in str(error):  # those of the hostile ones lie: they were never saved
            raise
        return
    again = encode_arguments(decoded.arguments, sender=decoded.sender, signal="", receiver="", snapshot=("kept",))
    assert fingerprint(decode_arguments(again).arguments) == fingerprint(decoded.arguments)


def require_sentence(message: str) -> None:
    """Fail unless a refusal says what cannot receive what, and can be shown and logged."""
    assert message.startswith(f"{keeps.key} cannot receive tests.testapp.signals.plain: ")
    assert message.endswith(".")
    assert message.encode(), "which a lone surrogate would not let it be"
    assert len(message) < 4_000


@pytest.mark.fault(27, "forged values and payloads decoded")
def test_forged_payloads_make_an_error_or_a_value(record_property: Any) -> None:
    whole = st.fixed_dictionaries({"sender": forged, "arguments": st.fixed_dictionaries({"value": forged})})
    record_property("inputs", attack(st.tuples(whole | forged), size(500, 35_000), decode))


@pytest.mark.short("sqlite")
@pytest.mark.fault(27, "payloads damaged in one place")
def test_a_damaged_payload_makes_an_error_or_a_value(record_property: Any) -> None:
    def damage_and_read(data: st.DataObject, value: object, damage: Json) -> None:
        payload = json.loads(encode_arguments({"value": value}, sender=None, signal="s", receiver="r"))
        node = payload["arguments"]
        key: Any = "value"
        while isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
            node = node[key]
            key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        node[key] = damage
        decode(payload)

    record_property("inputs", attack(st.tuples(st.data(), values, forged), size(300, 25_000), damage_and_read))


@pytest.mark.fault(27, "text of payloads damaged, and run by a worker")
def test_a_worker_outlives_whatever_stands_in_a_payload(record_property: Any) -> None:
    def store_and_run(value: object, at: int, length: int, text: str) -> None:
        whole = encode_arguments({"value": value}, sender=None, signal="s", receiver="r")
        at %= len(whole)
        delivery = enqueue(nothing)
        Delivery.objects.filter(pk=delivery.pk).update(
            payload=f"{whole[:at]}{text}{whole[at + length :]}", max_attempts=1
        )
        loop.drain(delivery.queue)
        delivery.refresh_from_db()
        assert delivery.state in FINAL_STATES
        if delivery.state == State.FAILED:
            assert delivery.failed_attempts.get().error_class in ERRORS

    pieces = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5) | st.sampled_from(PIECES)
    inputs = st.tuples(values, st.integers(0, 10_000), st.integers(0, 9), pieces)
    record_property("inputs", attack(inputs, size(200, 10_000), store_and_run))


ERRORS = ("signals_app.exceptions.PayloadError", "signals_app.exceptions.MissingObject")
PIECES = [*'"{}[],:\\', '{"$', '"$instance":', "NaN", "-Infinity", "1e999", "null", "\\ud800"]
