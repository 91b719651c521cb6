"""A payload that nobody's signal wrote makes a clear error or harmless values, and nothing else."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from signals_app.exceptions import MissingObject, PayloadError
from signals_app.payloads import decode_arguments, encode_arguments
from signals_app.payloads.errors import Json
from tests.payload_app.models import ByCode, Plain
from tests.payload_app.values import Careful, Pair, Point
from tests.signals_app.travels import read

pytestmark = pytest.mark.django_db(databases=["default", "other"])

VALUES = "tests.payload_app.values"


@settings(deadline=None)
@given(st.text())
def test_text_that_is_no_payload_makes_an_error(text: str) -> None:
    with pytest.raises(PayloadError):
        decode_arguments(text)


MALFORMED = "The payload is malformed: "
ALIKE: list[Json] = [{"$int": hex(times * (2**61 - 1))} for times in range(200)]  # each has the hash 0


def snapshot(model: str, fields: Json) -> Json:
    return {"$snapshot": {"model": model, "database": None, "adding": False, "fields": fields, "deferred": []}}


@override_settings(SIGNALS_APP={"MAX_PAYLOAD": 50})
def test_payload_that_is_longer_than_may_be_sent_is_not_read() -> None:
    with pytest.raises(PayloadError) as caught:
        decode_arguments('{"sender":null,"arguments":{"value":"éééééé"}}')
    assert str(caught.value) == (
        'The payload takes more than the 50 bytes that SIGNALS_APP["MAX_PAYLOAD"] allows here. '
        "Was the limit lowered since the signal was sent?"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The payload is no JSON: Expecting value: line 1 column 1 (char 0)."),
        ("[" * 60_000, "The payload is no JSON: "),
        ("9" * 5000, "The payload is no JSON: "),
        ("[]", MALFORMED + 'it is not {"sender": …, "arguments": {…}}.'),
        ("{}", MALFORMED + 'it is not {"sender": …, "arguments": {…}}.'),
        (
            '{"sender": null, "arguments": {}, "x": 1}',
            MALFORMED + 'it is not {"sender": …, "arguments": {…}}.',
        ),
        ('{"sender": null, "arguments": []}', MALFORMED + "its arguments are not an object of names."),
        (
            '{"sender": null, "arguments": {"sender": 1}}',
            MALFORMED + "its arguments are not an object of names.",
        ),
        (
            '{"sender": [{"$class": "x:Y"}], "arguments": {}}',
            MALFORMED + "sender[0] names a class that is not here: The mod",
        ),
    ],
)
def test_payload_of_another_shape_is_told(text: str, message: str) -> None:
    with pytest.raises(PayloadError) as caught:
        decode_arguments(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"$what": 1}, "value has the tag '$what', which is unknown or not alone."),
        ({"$int": "0x1", "b": 2}, "value has the tag '$int', which is unknown or not alone."),
        ([1, {"x": {"$uuid": "no"}}], "value[1]['x'] cannot be read: badly formed hexadecimal UUID string."),
        ({"$uuid": 5}, "value is not a string."),
        ({"$decimal": "one"}, "value cannot be read: [<class 'decimal.ConversionSyntax'>]."),
        ({"$timedelta": [1, 2]}, "value is not [days, seconds, microseconds]."),
        ({"$timedelta": [10**10, 0, 0]}, "value cannot be read: "),
        ({"$datetime": "yesterday"}, "value cannot be read: Invalid isoformat string: 'yesterday'."),
        ({"$datetime": ["2024-01-01T00:00:00", "Moon/Base", 0]}, "value cannot be read: "),
        ({"$datetime": ["2024-01-01T00:00:00", "../../etc/passwd", 0]}, "value cannot be read: "),
        ({"$datetime": ["2024-01-01T00:00:00", None, 2]}, "value cannot be read: fold must be either 0 or 1"),
        ({"$datetime": ["2024-01-01T00:00:00", None, "0"]}, "value has a fold that is not 0 or 1."),
        (
            {"$datetime": ["2024-01-01T00:00:00", [5, "X"], 0]},
            "value has a zone whose offset is not a timedelta.",
        ),
        ({"$datetime": 5}, "value is neither ISO 8601 nor [clock, zone, fold]."),
        ({"$set": [[1]]}, "value holds what cannot be in it: unhashable type: 'list'."),
        ({"$set": [1, 1]}, "value holds the same key or item twice."),
        ({"$dict": [[[1], 2]]}, "value holds what cannot be in it: unhashable type: 'list'."),
        ({"$dict": [[1, 2], [1, 3]]}, "value holds the same key or item twice."),
        ({"$dict": [[1]]}, "value is not a list of [key, value] pairs."),
        ({"$tuple": {}}, "value is not a list."),
        (
            {"$enum": [f"{VALUES}:Colour", "BLUE"]},
            f"names no member of the enumeration {VALUES}:Colour: 'BLUE'. Did the",
        ),
        ({"$enum": ["builtins:int", "real"]}, "names no member of the enumeration builtins:int: 'real'."),
        ({"$flag": [f"{VALUES}:Right", 99]}, f"value names no flags of {VALUES}:Right: "),
        ({"$flag": [f"{VALUES}:Colour", 1]}, f"value names no flags of {VALUES}:Colour: 1."),
        ({"$flag": [f"{VALUES}:Right", {"$int": "0x" + "f" * 5000}]}, f"value names no flags of {VALUES}:Right: "),
        ({"$flag": [f"{VALUES}:Ejecting", 6]}, f"value names no flags of {VALUES}:Ejecting: 6."),
        ({"$dataclass": ["subprocess:Popen", {}]}, "value names subprocess:Popen, which is no dataclass."),
        (
            {"$dataclass": [f"{VALUES}:Point", {"y": 1}]},
            f"value does not give the fields of {VALUES}:Point: x, y. Did the class change since the signal was sent?",
        ),
        ({"$dataclass": [f"{VALUES}:Point", {"x": 1, "y": {"$what": 0}}]}, "value.y has the tag '$what'"),
        ({"$dataclass": [f"{VALUES}:Failure", {"code": 1}]}, f"value makes no {VALUES}:Failure: object.__new__"),
        ({"$set": [{"$dataclass": [f"{VALUES}:Unhashable", {"parts": [1]}]}]}, "unhashable type: 'list'."),
        ({"$namedtuple": ["builtins:tuple", {}]}, "value names builtins:tuple, which is no named tuple."),
        ({"$namedtuple": [f"{VALUES}:Pair", {"left": 1, "gone": 1}]}, "value does not give the fields of"),
        (
            {"$class": "builtins:eval"},
            "names a class that is not here: There is no class 'eval' in the module 'builtins'",
        ),
        ({"$class": "antigravity:X"}, "The module 'antigravity' is not loaded here and belongs to no installed app."),
        ({"$model": "payload_app.Nobody"}, "value names a model that is not here: "),
        ({"$model": "payload_app"}, "value names a model that is not here: "),
        ({"$instance": ["payload_app.Plain", 1]}, "value is not [model, primary key, database]."),
        (
            {"$instance": ["payload_app.Plain", 1, "nowhere"]},
            "value names the database 'nowhere', which DATABASES does not configure.",
        ),
        ({"$instance": ["payload_app.Plain", [1], "default"]}, "value has a primary key of list."),
        ({"$instance": ["payload_app.Plain", "x", "default"]}, "value is no value of payload_app.Plain.id: "),
        ({"$instance": ["payload_app.ByUuid", 1.5, "default"]}, "value is no value of payload_app.ByUuid.id: "),
        (
            {"$instance": ["payload_app.ByPair", {"$tuple": [1]}, "default"]},
            "has no primary key of payload_app.ByPair: ",
        ),
        (
            {"$snapshot": {"model": "payload_app.Plain"}},
            "value is not a snapshot of model, database, adding, fields and deferred.",
        ),
        (snapshot("payload_app.Picky", {"id": 1}), "value makes no payload_app.Picky: 'size'."),
        (snapshot("payload_app.Plain", []), "value has fields that are not an object, or deferred ones that are not"),
        (
            snapshot("payload_app.Offer", {"id": 1, "span": {"$field": "{"}}),
            "value.span is no value of payload_app.Offer.span: ",
        ),
        (
            snapshot("payload_app.Offer", {"id": 1, "cost": {"$field": "1E+999999999"}}),
            "value.cost is too long a number for payload_app.Offer.cost.",
        ),
        ({"$field": "1"}, "value has the tag '$field', which is unknown or not alone."),
        ({"$argument": "value"}, "value is the same as 'value', which is no argument before it."),
        ({"$argument": []}, "value is the same as [], which is no argument before it."),
        ({"$decimal": "1E+999999999"}, "value has more than 10,000 digits before or after its point."),
        ({"$decimal": "1E-999999999"}, "value has more than 10,000 digits before or after its point."),
        (
            {"$instance": ["payload_app.Plain", {"$decimal": "1E+999999999"}, "default"]},
            "value has more than 10,000 digits before or after its point.",
        ),
        ({"$set": ALIKE}, "value holds 200 items of one hash, of 100 that there may be."),
        ({"$set": [{"$tuple": [each]} for each in ALIKE]}, "value holds 200 items of one hash, of 100"),
        ({"$dict": [[each, 0] for each in ALIKE]}, "value holds 200 items of one hash, of 100 that there may be."),
        ({"$instance": ["payload_app.ByUuid", {"$decimal": "5"}, "default"]}, "value is no value of "),
        ({"$instance": ["payload_app.Plain", {"$tuple": [5]}, "default"]}, "value has no primary key of "),
        ({"$instance": ["payload_app.ByPair", 5, "default"]}, "value has no primary key of payload_app.ByPair: 5."),
        ({"$class": "django." + "a." * 20_000 + "b:X"}, "value names a class that is not here: The module 'django.a.a"),
    ],
    ids=lambda case: case[:40] if isinstance(case, str) else "",
)
def test_malformed_value_is_told_with_its_path(value: Json, message: str) -> None:
    with pytest.raises(PayloadError) as caught:
        read({"sender": None, "arguments": {"value": value}})
    assert str(caught.value).startswith(MALFORMED + "value")
    assert message in str(caught.value)


def test_nesting_has_a_limit() -> None:
    value: Json = []
    for _ in range(100):
        value = [value]
    with pytest.raises(PayloadError, match="is nested deeper than 32 levels"):
        read({"sender": None, "arguments": {"value": value}})


def test_new_field_of_a_class_has_its_default_and_one_that_is_gone_is_left_out() -> None:
    cases: tuple[tuple[str, str, Json, Json, tuple[object, object]], ...] = (
        ("$dataclass", "Point", {"x": 1}, {"x": 1, "y": 2, "gone": {"$what": 1}}, (Point(1), Point(1, 2))),
        ("$namedtuple", "Pair", {"left": 1}, {"left": 1, "right": 2, "gone": 3}, (Pair(1), Pair(1, 2))),
    )
    for tag, name, new, gone, expected in cases:
        value: Json = [{tag: [f"{VALUES}:{name}", new]}, {tag: [f"{VALUES}:{name}", gone]}]
        back = read({"sender": None, "arguments": {"value": value}}).arguments["value"]
        assert back == list(expected)


def test_forged_class_runs_no_code_of_it() -> None:
    made = Careful.made
    careful: Json = {"$dataclass": [f"{VALUES}:Careful", {"raw": "x", "parsed": 1}]}
    back: Any = read({"sender": None, "arguments": {"it": careful}}).arguments["it"]
    assert (back.raw, Careful.made) == ("x", made)
    with pytest.raises(PayloadError):
        read({"sender": None, "arguments": {"it": {"$class": "this:X"}}})
    assert read({"sender": {"$class": "this:X"}, "arguments": {}}).sender == "this.X"
    assert "this" not in sys.modules


def test_name_in_a_text_is_only_a_text() -> None:
    value: list[Json] = ["$class", "payload_app.Plain", "subprocess:Popen", {"model": "x"}]
    assert read({"sender": None, "arguments": {"value": value}}).arguments == {"value": value}


@pytest.mark.database
def test_text_as_primary_key_finds_only_itself() -> None:
    ByCode.objects.create(code="x")
    Plain.objects.create(pk=1)
    with pytest.raises(MissingObject, match=r"value was payload_app.ByCode with primary key \"x' OR 1=1 --\""):
        read({"sender": None, "arguments": {"value": {"$instance": ["payload_app.ByCode", "x' OR 1=1 --", "default"]}}})


@pytest.mark.database
def test_broken_database_is_not_the_payloads_fault() -> None:
    payload = json.loads(encode_arguments({"v": [Point(Plain.objects.create())]}, sender=None, signal="", receiver=""))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payload_app_plain RENAME TO payload_app_elsewhere")
    with pytest.raises(DatabaseError):
        read(payload)
