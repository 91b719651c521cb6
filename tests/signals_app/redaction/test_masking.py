"""Secrets in payloads and in texts that people read."""

from __future__ import annotations

import json
import random
import time
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import override_settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from signals_app.exceptions import MissingObject
from signals_app.models import IdleQueue
from signals_app.payloads import decode_arguments, encode_arguments
from signals_app.redaction import MASKED, is_secret, masked, masked_text, masking
from tests.payload_app.values import Login

SECRET = "hunter2"
SIGNS = (
    *("bearer ", "Basic ", "eyJ", "AKIA", "ASIA", "ghp_", "github_pat_", "glpat-", "xoxb-", "sk_live_", "pk_test_"),
    *("AIza", "SG.", "--", "key", "token=", "key:", "://", "@", "(", "[", ",", '"', "-----END PRIVATE KEY", "value"),
    "name",
)


@pytest.mark.parametrize(
    "name",
    [
        *("password", "PASSWORD", "password2", "DB_PASSWORD", "userPassword", "new_passwords", "pass_word"),
        *("token", "authToken", "JWTToken", "X-Auth-Token", "TOKENS", "csrfmiddlewaretoken", "token.value"),
        *("key", "api_key", "apiKey", "apikey", "APIKey", "product_key", "idempotency_key", "secretKeyId"),
        *("Authorization", "HTTP_AUTHORIZATION", "Cookie", "Set-Cookie", "sessionid", "session_id", "cardNumber"),
        *("pass", "userPass", "db_pass", "DBPASS", "pw", "totp", "ssn", "iban", "IBANs", "security_code", "card"),
        *("pan", "verificationCode", "account_number", "bankAccountNumber", "cc_number", "auth", "jwt", "DSN", "creds"),
        "card2",
        *("mnemonic", "recovery_codes", "backup_code", "X-Amz-Signature", "sig", "passkey", "connection_string"),
    ],
)
def test_a_name_with_a_secrets_word_in_it_is_a_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("monkey", "keyboard", "turkey", "tokenizer", "secretary", "spin", "compass", "author", "passenger"),
        *("", "_", "42", "order", "number", "session", "opinion", "donkeys", "cardinality", "discard", "wildcards"),
        *("bypass", "bypasses", "authors", "author_id", "company", "panel", "Japan", "account", "code", "signal"),
        "design",
        *("sacred", "incredible", "assn", "urban", "mission", "dsnake", "status_code", "postal_code", "phrase"),
    ],
)
def test_a_name_that_only_looks_like_one_is_not(name: str) -> None:
    assert not is_secret(name)


def test_a_project_has_words_of_its_own() -> None:
    with override_settings(SIGNALS_APP={"MASK": ("iban", "Geheim_Nummer", "contraseña")}):
        assert [name for name in ("IBAN", "geheimnummer", "laContraseña", "token") if is_secret(name)] == [
            *("IBAN", "geheimnummer", "laContraseña"),
        ]
    with override_settings(SIGNALS_APP={"MASK": ()}):
        assert not is_secret("password")


def test_a_primary_key_that_is_a_secret_is_masked_in_a_snapshot_too() -> None:
    arguments = {"it": IdleQueue(queue=SECRET, until=timezone.now())}
    text = encode_arguments(arguments, sender=None, signal="s", receiver="r", snapshot=("it",))
    with override_settings(SIGNALS_APP={"MASK": ("idle_queue",)}):  # as if it were a token
        shown = masked(json.loads(text))["arguments"]["it"]["$snapshot"]["fields"]
    assert shown["queue"] == MASKED


def test_secrets_are_masked_at_any_depth_of_a_payload() -> None:
    user = User(pk=7, username="ada", password=SECRET)
    arguments: dict[str, Any] = {
        "password": SECRET,
        "nested": [{"deeper": ({"api_key": SECRET, "name": "kept"},)}],
        "odd": {1: "kept", "$token": SECRET, ("a", "b"): "kept"},
        "login": Login(user="ada", password=SECRET),
        "instance": user,
        "pin": 1234,
        "tokens": [SECRET, SECRET],
        "url": f"https://ada:{SECRET}@example.org/",
        "price": Decimal("1.10"),
    }
    text = encode_arguments(arguments, sender=None, signal="s", receiver="r", snapshot=("instance",))
    assert text.count(SECRET) == 8

    shown = masked(json.loads(text))

    assert SECRET not in json.dumps(shown)
    assert shown["arguments"]["nested"] == [{"deeper": {"$tuple": [{"api_key": MASKED, "name": "kept"}]}}]
    assert shown["arguments"]["odd"]["$dict"][0] == [1, "kept"]
    assert shown["arguments"]["login"]["$dataclass"][1] == {"user": "ada", "password": MASKED}
    assert shown["arguments"]["instance"]["$snapshot"]["fields"]["username"] == "ada"
    assert (shown["arguments"]["pin"], shown["arguments"]["tokens"]) == (MASKED, MASKED)
    assert shown["arguments"]["url"] == f"https://ada:{MASKED}@example.org/"
    assert shown["arguments"]["price"] == {"$decimal": "1.10"}


def test_masking_shows_whether_there_is_a_secret_and_leaves_the_payload_itself_as_it_is() -> None:
    payload = {"token": None, "has_password": True, "secret": 0, "key": "", "list": [{"pwd": SECRET}]}
    before = json.dumps(payload)
    hidden = {"secret": MASKED, "key": MASKED, "list": [{"pwd": MASKED}]}
    assert masked(payload) == {"token": None, "has_password": True, **hidden}
    assert json.dumps(payload) == before


@pytest.mark.parametrize(
    ("reference", "key"),
    [
        (["auth.User", 7, "default"], 7),  # the number of a row is no secret, whatever its model is called
        (["crm.User", "x", "default"], MASKED),
        (["sessions.Session", SECRET, "default"], MASKED),  # its session_key
        (["authtoken.Token", SECRET, "default"], MASKED),  # an app that is not here
        ([[], {}, "forged"], {}),
        (["auth.User"], None),
    ],
)
def test_a_primary_key_that_is_a_secret_is_masked(reference: list[Any], key: object) -> None:
    with override_settings(SIGNALS_APP={"MASK": ("user", "session", "token")}):
        shown = masked({"instance": {"$instance": reference}})
    assert shown == {"instance": {"$instance": [reference[0], key, reference[2]] if reference[1:] else reference}}


def test_keys_of_an_enumeration_are_names_too() -> None:
    payload = {"$dict": [[{"$enum": ["a.Field", "PASSWORD"]}, SECRET], [{"$enum": []}, "kept"], ["alone"], 5]}
    assert masked(payload) == {
        "$dict": [[{"$enum": ["a.Field", "PASSWORD"]}, MASKED], [{"$enum": []}, "kept"], ["alone"], 5]
    }


def test_the_first_of_a_pair_is_the_name_of_the_second() -> None:
    arguments: dict[str, Any] = {
        "headers": [("X-Api-Key", SECRET), ("Accept", "kept"), (b"cookie", SECRET.encode())],
        "form": [["new_password[]", SECRET], ["has_token", True]],
        "environ": {b"AUTH_TOKEN": SECRET},
        "letter": ("Reset your password", "kept"),
        "words": ["token", "kept", "kept"],
    }
    shown = masked(json.loads(encode_arguments(arguments, sender=None, signal="s", receiver="r"))["arguments"])
    assert [header["$tuple"][1] for header in shown["headers"]] == [MASKED, "kept", MASKED]
    assert shown["form"] == [["new_password[]", MASKED], ["has_token", True]]
    assert shown["environ"]["$dict"][0][1] == MASKED
    assert (shown["letter"]["$tuple"][1], shown["words"][1:]) == ("kept", ["kept", "kept"])


@pytest.mark.parametrize("name", ["name", "key", "field", "header", "Key", "field_name", "fieldName", "variable"])
@pytest.mark.parametrize("value", ["value", "values", "val", "content", "old", "new_value", "Value"])
def test_a_field_that_is_told_by_name_and_value_is_masked(name: str, value: str) -> None:
    told = {name: "new_password", value: SECRET, "label": "kept", "required": True}
    assert masked(told)[value] == MASKED
    assert (masked(told)["label"], masked(told)["required"]) == ("kept", True)
    assert masked({name: "city", value: "kept"})[value] == "kept"
    assert masked({name: "Your password, please", value: "kept"})[value] == "kept"
    assert masked({"type": "card.updated", "data": {"id": 5}}) == {"type": "card.updated", "data": {"id": 5}}
    odd = {name.encode(): b"token", value.encode(): SECRET.encode(), 5: "kept"}
    shown = masked(json.loads(encode_arguments({"odd": odd}, sender=None, signal="s", receiver="r")))
    assert [item for _key, item in shown["arguments"]["odd"]["$dict"]][1:] == [MASKED, "kept"]


def test_what_bytes_and_keys_say_is_masked_as_a_text_is() -> None:
    arguments = {
        "body": f"user=ada&password={SECRET}".encode(),
        "raw": bytearray(f'{{"token": "{SECRET}"}}', "ascii"),
        "image": b"\x89PNG",
        "seen": {f"amqp://ada:{SECRET}@queue": 1, b"password=x": 2, "a b": 3},
    }
    shown = masked(json.loads(encode_arguments(arguments, sender=None, signal="s", receiver="r")))["arguments"]
    assert shown["body"] == {"$bytes": MASKED}
    assert shown["raw"] == {"$bytearray": MASKED}
    assert shown["image"] == {"$bytes": "iVBORw=="}
    assert shown["seen"] == {"$dict": [[f"amqp://ada:{MASKED}@queue", 1], [{"$bytes": MASKED}, MASKED], ["a b", 3]]}
    assert masked({f"amqp://ada:{SECRET}@queue": 1}) == {f"amqp://ada:{MASKED}@queue": 1}


def test_what_follows_an_option_in_a_list_is_masked() -> None:
    assert masked(["mysql", "--password", SECRET, "--user", "ada"]) == ["mysql", "--password", MASKED, "--user", "ada"]
    assert masked(["--password", "--user", "ada"]) == ["--password", MASKED, "ada"]
    assert masked(["the token", "kept", "token", "kept"]) == ["the token", "kept", "token", "kept"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password=hunter2 user=ada", "password=******** user=ada"),
        ("PASSWORD = 'hunter2', user = 'ada'", "PASSWORD = ********, user = 'ada'"),
        ('{"user": "ada", "api_key": "hunter2\\" more"}', '{"user": "ada", "api_key": ********}'),
        ("{'token': b'hunter2', 'user': 'ada'}", "{'token': ********, 'user': 'ada'}"),
        (r'body: "{\"token\": \"hunter2\", \"user\": \"ada\"}"', r'body: "{\"token\": ********, \"user\": \"ada\"}"'),
        ("tokens=['hunter2', ('hunter2',)] user=ada", "tokens=******** user=ada"),
        ("secret: 'hunter2 never ends", "secret: ********"),
        ("secrets: [hunter2, never ends", "secrets: ********"),
        ("os.environ['DB_PASSWORD'] = 'hunter2'", "os.environ['DB_PASSWORD'] = ********"),
        ('def login(password: str = "hunter2") -> None:', "def login(password: ********) -> None:"),
        ('key = """hunter2 "hunter2" hunter2"""', "key = ********"),
        ("GET /?token=hunter2&page=2", "GET /?token=********&page=2"),
        ("Key (token)=(hunter2, 5) already exists.", "Key (token)=******** already exists."),
        ("Authorization: Digest user=ada, x=hunter2\nHost: a", "Authorization: ********\nHost: a"),
        ("Cookie: a=hunter2; b=hunter2\r\nHost: a", "Cookie: ********\r\nHost: a"),
        ("{'Authorization': 'Bearer hunter2', 'Host': 'a'}", "{'Authorization': ********, 'Host': 'a'}"),
        ("sent with Bearer hunter2hunter2", "sent with Bearer ********"),
        ("mysql --password hunter2 --user ada", "mysql --password ******** --user ada"),
        ("['mysql', '--password', 'hunter2', 'shop']", "['mysql', '--password', ********, 'shop']"),
        ("--api-key=hunter2 --user=ada", "--api-key=******** --user=ada"),
        ("postgres://ada:hunter2@db:5432/shop", "postgres://ada:********@db:5432/shop"),
        ("redis://:hunt@er2@cache/0", "redis://:********@cache/0"),
        ("https://hunter2@example.org/repo.git", "https://********@example.org/repo.git"),
        ("postgres://ada:hun/ter2@db:5432/shop", "postgres://ada:********@db:5432/shop"),
        ("redis://:12345/hunter2@cache/0", "redis://:********@cache/0"),
        ("postgres://ada:hun ter2@db/shop is away", "postgres://ada:********@db/shop is away"),
        ("'amqp://ada:hun'ter2@queue', 'kept'", "'amqp://ada:********@queue', 'kept'"),
        ('{"url": "amqp://ada:hun\\"ter2@queue"}', '{"url": "amqp://ada:********@queue"}'),
        ("smtp://ada@example.org:hunter2@mail", "smtp://ada@example.org:********@mail"),
        ("https://a:hunter2@x/?next=https://b:hunter2@y/", "https://a:********@x/?next=https://b:********@y/"),
        ('{"name": "password", "value": "hunter2"}', '{"name": "password", "value": ********}'),
        ("{'value': 'hunter2', 'key': 'api_token'}", "{'value': ********, 'key': ********}"),
        (
            r'"{\"field\": \"pin\", \"value\": \"hunter2\", \"x\": 1}"',
            r'"{\"field\": \"pin\", \"value\": ********, \"x\": 1}"',
        ),
        ('{"variable": "DB_PASSWORD", "value": "hunter2"}', '{"variable": "DB_PASSWORD", "value": ********}'),
        ('{"Key": "DB_PASSWORD", "Value": "hunter2"}', '{"Key": ********, "Value": ********}'),
        ('<input name="password" value="hunter2">', '<input name="password" value=********>'),
        ('name="password"\r\n\r\nhunter 2\r\n--', 'name="password"\r\n\r\n********\r\n--'),
        (r"""b'name="password"\r\n\r\nhunter2\r\n--'""", r"""b'name="password"\r\n\r\n********\r\n--'"""),
        ("[('X-Api-Key', 'hunter2'), ('Accept', 'kept')]", "[('X-Api-Key', ********), ('Accept', 'kept')]"),
        ('[["pin", 4711], ["city", "kept"]]', '[["pin", ********], ["city", "kept"]]'),
        ("[(b'cookie', b'hunter2')]", "[(b'cookie', ********)]"),
        ("card: 4111 1111 1111 1111, ada", "card: ********, ada"),
        ("iban: DE89 3704 0044 0532 0130 00", "iban: ********"),
        ("mnemonic: hunter hunter hunter", "mnemonic: ********"),
        ("sent with Basic aHVudGVyaHVudGVy=", "sent with Basic ********"),
        (f"AKIA{'HUNTER2Z' * 2} and gh{'p'}_{'hunter2' * 4}", "******** and ********"),
        (f"xox{'b'}-{'hunter2-' * 3}, sk_{'live'}_{'hunter2' * 2}", "********, ********"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl expired", "******** expired"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----********-----END RSA PRIVATE KEY-----",
        ),
    ],
)
def test_a_secret_in_a_text_is_masked(text: str, shown: str) -> None:
    assert masked_text(text) == shown
    assert masked_text(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "KeyError: 'order'",
        "login failed for hunter2",  # it cannot be told from other words
        "signals_app.exceptions.TokenError: no luck",
        "Token matching query does not exist.",
        "duplicate key value violates unique constraint",
        "token: ",
        "monkey=5 turkey: 6",
        "Basic authentication failed, bearer authentication too",
        "http://127.0.0.1:8000/shop/ at 12:30:05",
        "ssh://git@example.org/shop.git, mail to ada@example.org",
        "http://127.0.0.1:8000/shop/ada@example.org and https://example.org:443/@ada",
        "redis://cache:6379/0 is away, ada@example.org knows",
        "GET https://example.org: refused for ada@example.org",
        '["token", "kept", "kept"] and ("token", {"kept": 1})',
        '{"name": "city", "value": "kept"}, {"name": "password", "required": "kept"}',
        'Traceback (most recent call last):\n  File "/srv/token.py", line 5, in get_key\n    return keys[name]',
    ],
)
def test_a_text_without_secrets_is_shown_as_it_is(text: str) -> None:
    assert masked_text(text) == text


@given(text=st.text(alphabet="ab:=\"'\\[{( ,&\n-@/.tokenpasswdkyBr4"), seed=st.integers())
def test_any_text_can_be_masked_and_masking_it_again_changes_nothing_in_names(text: str, seed: int) -> None:
    place = random.Random(seed).randint(0, len(text))
    shown = masked_text(f"{text[:place]} password='{SECRET}' {text[place:]}")
    assert SECRET not in shown


@given(
    text=st.lists(st.sampled_from([*SIGNS, "a", "0123456789abcdefABCDEF", " ", ".", "-", "_", "'"]), max_size=8).map(
        "".join
    )
)
def test_no_secret_is_missed_by_the_quick_look(text: str) -> None:
    quickly = masked_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masking, "_SIGNS", ("",))
        patch.setattr(masking, "_PATTERNS", [(("",), pattern) for _signs, pattern in masking._PATTERNS])
        assert masked_text(text) == quickly


@pytest.mark.parametrize(
    "part",
    [
        *("a", "key=", "key=[", "key='", "key =", "x@", "a://a:", "a://", "-eyJ0123456789", "bearer ", "_", "aB", " "),
        *("-----BEGIN PRIVATE KEY-----", 'token: \\\\"', "--key ", "key", "key=a =b ", "cookie"),
        *("a://a:b c", "a://:a", "a://@", "http://a:1/", 'value="', "value=", 'value=\\"', "value='a',", "a_"),
        *("1234 ", '("key",', '("key","', '("key",[', "('key','a' ", '["key", \\"', 'name="key"', 'name="key" value="'),
        *("--", "\\"),
        *('name="key"\n', "-----END PRIVATE KEY", "a ", "value=a,name=", "bearer a", "Ab", "key:=", "{'key':'"),
    ],
)
def test_no_text_hangs_it(part: str) -> None:
    begun = time.process_time()
    masked_text(part * (65_536 // len(part)))
    assert time.process_time() - begun < 10  # a pattern that goes back and forth takes minutes


@pytest.mark.database
@pytest.mark.django_db
def test_the_key_of_a_session_that_is_gone_is_not_told() -> None:
    session = Session.objects.create(session_key=SECRET, expire_date=timezone.now())
    text = encode_arguments({"session": session}, sender=None, signal="s", receiver="r")
    session.delete()
    with pytest.raises(
        MissingObject, match=r"^session refers to sessions\.Session with primary key \*{8} in"
    ) as caught:
        decode_arguments(text)
    assert SECRET not in str(caught.value)
