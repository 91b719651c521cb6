"""A payload that nobody's signal wrote makes a clear error or harmless values, and nothing else."""

from __future__ import annotations

import sys

import pytest
from django.db import DatabaseError, connection

from signals_app.exceptions import MissingObject, PayloadError
from signals_app.payloads import decode_arguments, encode_arguments
from signals_app.payloads.errors import Json
from tests.payload_app.models import ByCode, Plain
from tests.payload_app.values import Pair, Point
from tests.signals_app.travels import read

pytestmark = pytest.mark.django_db(databases=["default", "other"])

VALUES = "tests.payload_app.values"
MALFORMED = "The payload is malformed: "
SHAPE = MALFORMED + 'it is not {"sender": …, "arguments": {…}}.'
NAMES = MALFORMED + "its arguments are not an object of names."
LOWERED = (
    'The payload takes more than the 65,536 bytes that SIGNALS_APP["MAX_PAYLOAD"] allows here. '
    "Was the limit lowered since the signal was sent?"
)
DIGITS = "has more than 10,000 digits before or after its point."
TWICE = "holds the same key or item twice."
UNHASHABLE = "holds what cannot be in it: unhashable type: 'list'."
SAME_HASH = "holds 200 items of one hash, of 100 that there may be."
ALIKE: list[Json] = [{"$int": hex(times * (2**61 - 1))} for times in range(200)]  # each has the hash 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The payload is no JSON: Expecting value: line 1 column 1 (char 0)."),
        ("[" * 60_000, "The payload is no JSON: "),
        ("9" * 5000, "The payload is no JSON: "),
        *((text, SHAPE) for text in ("5", "[]", "{}", '{"sender": 1}', '{"sender": null, "arguments": {}, "x": 1}')),
        *((f'{{"sender": null, "arguments": {one}}}', NAMES) for one in ("[]", '{"sender": 1}', '{"signal": 1}')),
        ('{"sender": [{"$class": "x:Y"}], "arguments": {}}', "sender[0] names a class that is not here: The mod"),
        (f'{{"sender": null, "arguments": {{"v": {"[" * 100 + "]" * 100}}}}}', "] is nested deeper than 32 levels."),
        ("é" * 33_000, LOWERED),
    ],
    ids=lambda case: case[:50],
)
def test_a_payload_of_another_shape_is_told(text: str, message: str) -> None:
    with pytest.raises(PayloadError) as caught:
        decode_arguments(text)
    assert message in str(caught.value)


def of(tag: str, name: str, value: Json) -> Json:
    return {f"${tag}": [f"{VALUES}:{name}", value]}


def instance(model: str, pk: Json, database: str = "default") -> Json:
    return {"$instance": [f"payload_app.{model}", pk, database]}


def snapshot(model: str, fields: Json) -> Json:
    written: Json = {"model": f"payload_app.{model}", "database": None, "adding": False, "deferred": []}
    return {"$snapshot": {**written, "fields": fields}}  # type: ignore[dict-item]


def at(zone: Json, fold: Json = 0) -> Json:
    return {"$datetime": ["2024-01-01T00:00:00", zone, fold]}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"$what": 1}, " has the tag '$what', which is unknown or not alone."),
        ({"$field": "1"}, " has the tag '$field', which is unknown or not alone."),
        ([1, {"x": {"$uuid": "no"}}], "[1]['x'] cannot be read: badly formed hexadecimal UUID string."),
        ({"$uuid": 5}, " is not a string."),
        ({"$decimal": "one"}, " cannot be read: [<class 'decimal.ConversionSyntax'>]."),
        ({"$decimal": "1E+999999999"}, DIGITS),
        ({"$timedelta": [1, 2]}, " is not [days, seconds, microseconds]."),
        ({"$datetime": "yesterday"}, " cannot be read: Invalid isoformat string: 'yesterday'."),
        ({"$datetime": 5}, " is neither ISO 8601 nor [clock, zone, fold]."),
        (at("../../etc/passwd"), " cannot be read: "),
        (at([5, "X"]), " has a zone whose offset is not a timedelta."),
        (at(None, "0"), " has a fold that is not 0 or 1."),
        ({"$set": [[1]]}, UNHASHABLE),
        ({"$set": [1, 1]}, TWICE),
        ({"$set": ALIKE}, SAME_HASH),
        ({"$dict": [[each, 0] for each in ALIKE]}, SAME_HASH),
        ({"$dict": [[1, 2], [1, 3]]}, TWICE),
        ({"$dict": [[1]]}, " is not a list of [key, value] pairs."),
        ({"$tuple": {}}, " is not a list."),
        ({"$enum": "RED"}, " is not [class, value]."),
        (of("enum", "Colour", "BLUE"), f" names no member of the enumeration {VALUES}:Colour: 'BLUE'. Did the class"),
        (of("flag", "Right", 99), f" names no flags of {VALUES}:Right: 99."),
        (of("flag", "Colour", 1), f" names no flags of {VALUES}:Colour: 1."),
        ({"$dataclass": ["subprocess:Popen", {}]}, " names subprocess:Popen, which is no dataclass."),
        (
            of("dataclass", "Point", {"y": 1}),
            f" does not give the fields of {VALUES}:Point: x, y. Did the class",
        ),
        (of("dataclass", "Point", {"x": 1, "y": {"$what": 0}}), ".y has the tag '$what'"),
        (of("dataclass", "Failure", {"code": 1}), f" makes no {VALUES}:Failure: object.__new__"),
        ({"$namedtuple": ["builtins:tuple", {}]}, " names builtins:tuple, which is no named tuple."),
        ({"$class": "builtins:eval"}, " names a class that is not here: There is no class 'eval' in the module"),
        ({"$class": "antigravity:X"}, "The module 'antigravity' is not loaded here and belongs to no installed app."),
        ({"$model": "payload_app.Nobody"}, " names a model that is not here: "),
        ({"$instance": ["payload_app.Plain", 1]}, " is not [model, primary key, database]."),
        (instance("Plain", 1, "nowhere"), " names the database 'nowhere', which DATABASES does not configure."),
        (instance("Plain", [1]), " has a primary key of list."),
        (instance("Plain", "x"), " is no value of payload_app.Plain.id: "),
        (instance("Plain", {"$tuple": [5]}), " has no primary key of "),
        (instance("ByUuid", 1.5), " is no value of payload_app.ByUuid.id: "),
        (instance("ByPair", {"$tuple": [1]}), " has no primary key of payload_app.ByPair: "),
        (instance("ByPair", 5), " has no primary key of payload_app.ByPair: 5."),
        ({"$snapshot": {"model": "x"}}, " is not a snapshot of model, database, adding, fields and deferred."),
        (snapshot("Picky", {"id": 1}), " makes no payload_app.Picky: 'size'."),
        (snapshot("Plain", []), " has fields that are not an object, or deferred ones that are not a list."),
        (snapshot("Offer", {"id": 1, "span": {"$field": "{"}}), ".span is no value of payload_app.Offer.span: "),
        (snapshot("Offer", {"id": 1, "cost": {"$field": "1E+999999999"}}), ".cost is too long a number for payload"),
        ({"$argument": "value"}, " is the same as 'value', which is no argument before it."),
    ],
    ids=lambda case: case[:40] if isinstance(case, str) else "",
)
def test_a_malformed_value_is_told_with_its_path(value: Json, message: str) -> None:
    with pytest.raises(PayloadError) as caught:
        read({"sender": None, "arguments": {"value": value}})
    assert str(caught.value).startswith(f"{MALFORMED}value")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_new_field_of_a_class_has_its_default_and_one_that_is_gone_is_left_out() -> None:
    cases = ("dataclass", "Point", "x", "y", Point), ("namedtuple", "Pair", "left", "right", Pair)
    for tag, name, one, two, kind in cases:
        value = [of(tag, name, {one: 1}), of(tag, name, {one: 1, two: 2, "gone": {"$what": 1}})]
        back = read({"sender": None, "arguments": {"value": value}}).arguments["value"]
        assert back == [kind(1), kind(1, 2)]


def test_a_forged_class_runs_no_code_of_it() -> None:
    with pytest.raises(PayloadError):
        read({"sender": None, "arguments": {"it": {"$class": "this:X"}}})
    assert read({"sender": {"$class": "this:X"}, "arguments": {}}).sender == "this.X"
    assert "this" not in sys.modules


@pytest.mark.database
def test_text_as_primary_key_finds_only_itself() -> None:
    ByCode.objects.create(code="x")
    with pytest.raises(MissingObject, match=r"value refers to payload_app.ByCode with primary key \"x' OR 1=1 --\""):
        read({"sender": None, "arguments": {"value": instance("ByCode", "x' OR 1=1 --")}})


@pytest.mark.database
def test_a_broken_database_is_not_the_payloads_fault() -> None:
    payload = encode_arguments({"v": [Point(Plain.objects.create())]}, sender=None, signal="", receiver="")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payload_app_plain RENAME TO payload_app_elsewhere")
    with pytest.raises(DatabaseError):
        decode_arguments(payload)
