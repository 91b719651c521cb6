"""Secrets in names, in free text such as a message or a traceback, and in decoded JSON such as a payload."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.db.models import IntegerField, Model

from signals_app.conf import conf

MASKED = "********"

_JOINTS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # userName, JWTToken
_WORDS = re.compile(r"[^\W\d_]+")
_MOST_JOINED = 3  # parts of a name that are read as one word
_ENDING = 5  # letters from which a word counts at the end of a part: monkey ends in key
_USUAL = 60  # characters of a name that is worth remembering
# what ends so may name a value that stands beside it
_FIELDS = ("name", "key", "field", "header", "label", "parameter", "attribute", "variable", "setting")


def is_secret(name: str) -> bool:
    has_word = _has_word if len(name) <= _USUAL else _has_word.__wrapped__
    return has_word(name, *_words(frozenset(conf.mask)))


@lru_cache(maxsize=2_000)  # a traceback names the same things again and again
def _has_word(name: str, words: frozenset[str], endings: tuple[str, ...]) -> bool:
    parts = parts_of(name)
    for begin in range(len(parts)):
        for end in range(begin + 1, begin + 1 + _MOST_JOINED):
            word = "".join(parts[begin:end])
            singular = word.removesuffix("s")
            if word in words or singular in words or singular.endswith(endings):
                return True
    return False


@lru_cache(maxsize=8)
def _words(mask: frozenset[str]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the words, and those of them that count at the end of a part."""
    words = frozenset("".join(parts_of(word)) for word in mask) - {""}
    return words, tuple(word for word in words if len(word) >= _ENDING)


def parts_of(name: str) -> list[str]:
    """Return the words of a name in lower case, such as user and name of ``userName``."""
    return _WORDS.findall(_JOINTS.sub("_", name).casefold())


# Free text

_ERRORS = frozenset({"error", "exception", "warning"})

# a name, perhaps in quotes or brackets, and what stands between it and its value; or an option of a command
_NAMED = re.compile(
    r"""(?<![\w.-])(?:
        (?P<name>[\w.-]++)\\*["']?[\])]?[ \t]*(?:=>|:=|==?|:)
      | --(?P<option>\w[\w-]*+)["']?,?(?=[ \t])
    )[ \t]*""",
    re.VERBOSE,
)
# a field that is told by two: name="password" value="…"; one of a form that was posted; a pair: ("password", "…")
_STRING = r"""(?:(?P<quote>["'])(?:\\.|(?!(?P=quote))[^\\]){0,1000}+(?P=quote)
    |(?P<inner>\\+["'])(?:(?!(?P=inner)).){0,1000}+(?P=inner))"""
_FIELD = rf"""(?<![\w.-])(?i:{"|".join(_FIELDS)})\\*["']?[ \t]*(?:=>|[:=])[ \t]*\\*["'](?P<name>[\w.-]++)\\*["']"""
_VALUE = r"""\b(?i:value|val|content)\\*["']?[ \t]*(?:=>|[:=])[ \t]*"""
_FIELD_OF_VALUE = re.compile(rf"""{_FIELD}(?:[ \t]*,\s*+|[ \t]++)\\*["']?{_VALUE}""")
_VALUE_OF_FIELD = re.compile(
    rf"""(?P<before>{_VALUE})(?:{_STRING}|[^\s,;&"']{{1,200}}+)(?=[ \t]*+,?\s*+\\*["']?{_FIELD})""", re.VERBOSE | re.S
)
_POSTED = re.compile(rf"""(?P<before>{_FIELD}(?:\r?\n|(?:\\r)?\\n){{2}})[^\r\n\\]+""")
_PAIR = re.compile(
    rf"""(?P<before>[(\[][ \t]*[bu]?\\*["'](?P<name>[\w.-]++)\\*["'],[ \t]*)
    (?:[bu]?{_STRING}|[^\s,;&"'()\[\]{{}}]{{1,200}}+)(?=[ \t]*+[)\]])""",
    re.VERBOSE | re.S,
)
# their values are several words
_TO_LINE_END = frozenset({"authorization", "cookie", "mnemonic", "phrase", "passphrase"})
_QUOTED = re.compile(
    r"""(?:[bBrRuUfF]{1,2})?(?P<quote>\"{3}|'{3}|["'])(?:\\.|(?!(?P=quote))[^\\])*+(?P=quote)?""", re.S
)
_QUOTED_IN_QUOTES = re.compile(r"""(?P<quote>\\+["'])(?:(?!(?P=quote)).)*+(?P=quote)?""", re.S)
_WORD = re.compile(r"(?:[A-Z]{2})?\d{2,6}(?: [\dA-Z]{1,6}){2,8}(?!\w)|[^\s,;&]*")  # or groups, as of a card's number
_LINE = re.compile(r"[^\r\n]*")
_ANNOTATED = re.compile(r"[ \t]*=[ \t]*(?=\S)")  # password: str = "…"
_MASKED = re.compile(r"\*{8}(?![^\s,;&\])}>\"'])")  # of a text that is masked again
_BRACKETS = {"(": ")", "[": "]", "{": "}"}

# secrets that can be told without a name. A port is no password, although a path may have an @
_AUTHORITY = r"""(?P<before>\b(?>(?P<web>(?:https?|wss?|ftps?)(?=://))|[a-z][\w+.-]{0,30})://[^\s/:"']*+:)"""
_CREDENTIALS = re.compile(rf"""{_AUTHORITY}(?(web)(?!\d{{1,5}}[/?\#]))(?:(?!://)[^\s"'])*(?=@)""", re.IGNORECASE)
_ODD_CREDENTIALS = re.compile(  # with a space or a quote in them
    rf"""{_AUTHORITY}(?!\d{{1,5}}(?!\w)|[\s"'])(?:(?!://)[^\r\n@]){{1,100}}+(?=@[\w\[])""", re.IGNORECASE
)
_TOKEN_IN_URL = re.compile(r"(?P<before>\bhttps?://)[^\s/:@\"']+(?=@)", re.IGNORECASE)
_SCHEME = re.compile(r"(?P<before>\b(?:bearer|basic)[ \t]+)(?=[^\s\d=]*[\d=])[\w.~+/=-]{8,}", re.IGNORECASE)
_JWT = re.compile(r"(?P<before>(?<![\w-]))eyJ[\w-]{10,}+\.[\w-]++\.[\w-]*+")
_ISSUED = re.compile(  # what well-known services give out begins in its own way
    r"""(?P<before>(?<![\w-]))(?:(?:AKIA|ASIA)[0-9A-Z]{16}(?!\w)|(?:gh[pousr]|github_pat)_\w{20,}+|glpat-[\w-]{16,}+
    |xox[a-z]-[\w-]{10,}+|[spr]k_(?:live|test)_\w{10,}+|AIza[\w-]{30,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+)""",
    re.VERBOSE,
)
_PRIVATE_KEY = re.compile(r"(?P<before>-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL)
_END_OF_KEY = re.compile(r"(?P<before>\A)[\w+/=\s]++(?=-----END [A-Z ]{0,30}PRIVATE KEY)")  # of a text that was cut

_ISSUERS = (
    *("akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-"),
    *("xox", "k_live_", "k_test_", "aiza", "sg."),
)
_SIGNS = ("=", ":", "(", "[", "--", "bearer", "basic", "eyj", *_ISSUERS)  # most texts, such as names, have none of them
# in this order, each where one of its signs is, in small letters
_PATTERNS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = (
    (("-----",), _PRIVATE_KEY),
    (("-----",), _END_OF_KEY),
    (("://",), _CREDENTIALS),
    (("://",), _ODD_CREDENTIALS),
    (("://",), _TOKEN_IN_URL),
    (("val", "content"), _VALUE_OF_FIELD),
    (("=", ":"), _POSTED),
    (("(", "["), _PAIR),
    (("val", "content"), _FIELD_OF_VALUE),
    (("=", ":", "--"), _NAMED),
    (("bearer", "basic"), _SCHEME),
    (("eyj",), _JWT),
    (_ISSUERS, _ISSUED),
)
_WINDOW = 10  # times what is kept of a text is masked: masking 10 MB takes seconds
_SEAM = 200  # characters at the end of the window that may be half a secret


def masked_text(text: str) -> str:
    """Return free text, such as a traceback, with its secrets masked where the words around them give them away.

    Those are values after a secret's name (``password=…``, ``"token": …``, ``--secret …``), the rest of the line after
    ``Authorization:`` and ``Cookie:``, passwords in URLs, bearer tokens, JSON Web Tokens, private keys, and what some
    services give out. Any other secret cannot be told from other words and stays.
    """
    folded = text.casefold()
    if not any(sign in folded for sign in _SIGNS):
        return text
    for signs, pattern in _PATTERNS:
        if any(sign in folded for sign in signs):
            text = _masked_by(pattern, text)
    return text


def _masked_by(pattern: re.Pattern[str], text: str) -> str:
    if "before" not in pattern.groupindex:  # it ends where the value begins
        return "".join(_with_values_masked(text, pattern))
    if "name" in pattern.groupindex:
        return pattern.sub(lambda found: f"{found['before']}{MASKED}" if is_secret(found["name"]) else found[0], text)
    return pattern.sub(rf"\g<before>{MASKED}", text)


def beginning(text: str, most: int) -> str:
    """Return the first characters of a text, masked before it is cut: half a secret would not be recognised."""
    shown = masked_text(text[: _WINDOW * most])
    if len(text) > _WINDOW * most and len(shown) < most + 2 * _SEAM:
        shown = shown[:-_SEAM].rpartition(" ")[0]
    return shown[:most]


def ending(text: str, most: int) -> str:
    """Return the last characters of a text, masked before it is cut."""
    shown = masked_text(text[-_WINDOW * most :])
    if len(text) > _WINDOW * most and len(shown) < most + 2 * _SEAM:
        shown = shown[_SEAM:].partition("\n")[2]
    return shown[-most:]


def _with_values_masked(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
    done = 0
    for found in pattern.finditer(text):
        name = found[found.lastgroup or 0].rpartition(".")[2]
        # KeyError: 'name' is no secret
        if found.start() < done or not is_secret(name) or parts_of(name)[-1] in _ERRORS:
            continue
        begin = found.end()
        end = _end_of_value(text, begin, name=found["name"] or "")
        if end > begin:
            yield text[done:begin]
            yield MASKED
            done = end
    yield text[done:]


def _end_of_value(text: str, begin: int, *, name: str) -> int:
    if already := _MASKED.match(text, begin):
        return already.end()
    if not _TO_LINE_END.isdisjoint(parts_of(name)) and text[begin : begin + 1] not in ("'", '"'):
        return _end(_LINE, text, begin)
    end = _end_of_one(text, begin)
    while annotated := _ANNOTATED.match(text, end):
        end = _end_of_one(text, annotated.end())
    return end


def _end_of_one(text: str, begin: int) -> int:
    if quoted := _QUOTED.match(text, begin) or _QUOTED_IN_QUOTES.match(text, begin):
        return quoted.end()
    if text[begin : begin + 1] not in _BRACKETS:
        return _end(_WORD, text, begin)
    closing: list[str] = []
    for place in range(begin, len(text)):
        if text[place] in _BRACKETS:
            closing.append(_BRACKETS[text[place]])
        elif closing[-1] == text[place]:
            closing.pop()
            if not closing:
                return place + 1
    return len(text)


def _end(pattern: re.Pattern[str], text: str, begin: int) -> int:
    found = pattern.match(text, begin)
    return found.end() if found else begin


# Decoded JSON

_NAME = re.compile(r"[\w.-]+(?:\[\])?")
_BYTES = ("$bytes", "$bytearray")
_VALUES = ("value", "values", "val", "content", "old", "new")


def masked(value: Any, *, name: str = "") -> Any:
    """Return a copy of decoded JSON with its secrets masked, such as a payload's; ``name`` is what holds it.

    None, True and False are shown: they tell whether there is a secret and not which. Texts are masked as
    ``masked_text`` does. Of two items, such as a header's, the second is masked where the first is a secret's name, and
    so is the value of a field that is told by two: ``{"name": "password", "value": …}``. A model instance is masked
    where its model or its primary key bears a secret's name.
    """
    if name and is_secret(name):
        return _hidden(value)
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, Mapping):
        hides = _names_a_secret(value.items())
        return {
            key if key.isidentifier() or key in _BYTES else masked_text(key): _masked_item(key, item, hides=hides)
            for key, item in value.items()
        }
    if isinstance(value, list):
        # a header or a field of a form, and not, say, a subject and a text
        is_pair = len(value) == 2 and _NAME.fullmatch(_name_of(value[0]))
        return _masked_pair(value) if is_pair else _masked_items(value)
    return value


def _hidden(value: Any) -> Any:
    return value if value is None or isinstance(value, bool) else MASKED


def _masked_item(key: str, item: Any, *, hides: bool) -> Any:
    if key == "$dict" and isinstance(item, list):
        hides = _names_a_secret(pair for pair in item if _has_two(pair))
        return [_masked_pair(pair, hides=hides) if _has_two(pair) else masked(pair) for pair in item]
    if key == "$instance" and isinstance(item, list) and len(item) == 3 and has_secret_key(item[0]):
        return [item[0], MASKED, item[2]]
    if key == "$snapshot" and isinstance(item, Mapping) and has_secret_key(item.get("model")):
        item = _with_keys_masked(item)
    if key in _BYTES and masked_text(raw := _name_of({"$bytes": item})) != raw:
        return MASKED
    return _hidden(item) if hides and key.casefold().endswith(_VALUES) else masked(item, name=key)


def _with_keys_masked(snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    model, fields = _model(snapshot.get("model")), snapshot.get("fields")
    if model is None or not isinstance(fields, Mapping):
        return snapshot
    keys = [field.attname for field in model._meta.pk_fields if field.attname in fields]
    return {**snapshot, "fields": {**fields, **dict.fromkeys(keys, MASKED)}}


def _names_a_secret(items: Iterable[Any]) -> bool:
    """Tell whether one item says that another is a secret, as ``name`` does in a field of name and value."""
    names = (_name_of(item) for key, item in items if _name_of(key).casefold().endswith(_FIELDS))
    return any(_NAME.fullmatch(name) and is_secret(name) for name in names)


def _has_two(items: Any) -> bool:
    return isinstance(items, list) and len(items) == 2


def _masked_items(items: list[Any]) -> list[Any]:
    """Mask each item, and what follows an option, as in ``["mysql", "--password", "…"]``."""
    before = ["", *items[:-1]]
    is_option = [isinstance(one, str) and one.startswith("--") and _NAME.fullmatch(one) for one in before]
    return [masked(item, name=before[at] if is_option[at] else "") for at, item in enumerate(items)]


def _masked_pair(pair: list[Any], *, hides: bool = False) -> list[Any]:
    key, item = pair
    name = _name_of(key)
    return [masked(key), _hidden(item) if hides and name.casefold().endswith(_VALUES) else masked(item, name=name)]


def _name_of(key: Any) -> str:
    """Return what a key says: a text, bytes, or the name of a member of an enumeration."""
    if isinstance(key, Mapping) and isinstance(raw := key.get("$bytes"), str):
        with suppress(ValueError):
            return b64decode(raw).decode("latin-1")
    if isinstance(key, Mapping) and isinstance(member := key.get("$enum"), list) and member:
        return str(member[-1])
    return key if isinstance(key, str) else ""


def has_secret_key(label: Any) -> bool:
    """Tell whether the primary key of a model is itself the secret, as a token's or a session's is; a number is not."""
    is_secrets, model = is_secret(str(label).rpartition(".")[2]), _model(label)
    if model is None:
        return is_secrets
    key = model._meta.pk
    return is_secret(key.name) or (is_secrets and not isinstance(key, IntegerField))


def _model(label: Any) -> type[Model] | None:
    try:
        return apps.get_model(label)
    except (LookupError, ValueError, TypeError, AttributeError):
        return None
