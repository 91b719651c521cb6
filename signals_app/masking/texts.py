"""Secrets in free text, such as a message or a traceback."""

from __future__ import annotations

import re
from collections.abc import Iterator

from signals_app.masking.names import MASKED, is_secret, parts_of

_ERRORS = frozenset({"error", "exception", "warning"})

# a name, perhaps in quotes or brackets, and what stands between it and its value; or an option of a command
_NAMED = re.compile(
    r"""(?<![\w.-])(?:
        (?P<name>[\w.-]++)\\*["']?[\])]?[ \t]*(?:=>|:=|==?|:)
      | --(?P<option>\w[\w-]*+)["']?,?(?=[ \t])
    )[ \t]*""",
    re.VERBOSE,
)
_TO_LINE_END = frozenset({"authorization", "cookie"})  # their values are several words
_QUOTED = re.compile(
    r"""(?:[bBrRuUfF]{1,2})?(?P<quote>\"{3}|'{3}|["'])(?:\\.|(?!(?P=quote))[^\\])*+(?P=quote)?""", re.S
)
_QUOTED_IN_QUOTES = re.compile(r"""(?P<quote>\\+["'])(?:(?!(?P=quote)).)*+(?P=quote)?""", re.S)
_WORD = re.compile(r"[^\s,;&]*")
_LINE = re.compile(r"[^\r\n]*")
_ANNOTATED = re.compile(r"[ \t]*=[ \t]*(?=\S)")  # password: str = "…"
_MASKED = re.compile(r"\*{8}(?![^\s,;&\])}\"'])")  # of a text that is masked again
_BRACKETS = {"(": ")", "[": "]", "{": "}"}

# secrets that can be told without a name: where there is one, there is one of these
TELLTALES = frozenset({"://", "bearer", "basic", "eyj", "private key"})
_CREDENTIALS = re.compile(r"(?P<before>\b[a-zA-Z][\w+.-]{0,30}://[^\s/:@\"']*:)[^\s/\"']*(?=@)")
_TOKEN_IN_URL = re.compile(r"(?P<before>\bhttps?://)[^\s/:@\"']+(?=@)", re.IGNORECASE)
_SCHEME = re.compile(r"(?P<before>\b(?:bearer|basic)[ \t]+)(?=[^\s\d]*\d)[\w.~+/=-]{8,}", re.IGNORECASE)
_JWT = re.compile(r"(?P<before>(?<![\w-]))eyJ[\w-]{10,}+\.[\w-]++\.[\w-]*+")
_PRIVATE_KEY = re.compile(r"(?P<before>-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL)


def masked_text(text: str) -> str:
    """Return free text, such as a traceback, with the secrets masked that can be told from what is around them.

    Those are values after a secret's name (``password=…``, ``"token": …``, ``--secret …``), the rest of the line after
    ``Authorization:`` and ``Cookie:``, passwords in URLs, bearer tokens, JSON Web Tokens and private keys. A secret
    that stands there without any of these cannot be told from other words and stays.
    """
    for pattern in (_PRIVATE_KEY, _CREDENTIALS, _TOKEN_IN_URL):
        text = pattern.sub(rf"\g<before>{MASKED}", text)
    text = "".join(_with_values_masked(text))
    for pattern in (_SCHEME, _JWT):
        text = pattern.sub(rf"\g<before>{MASKED}", text)
    return text


def _with_values_masked(text: str) -> Iterator[str]:
    done = 0
    for found in _NAMED.finditer(text):
        if found.start() < done or not _is_secret_in_text(found):
            continue
        begin = found.end()
        end = _end_of_value(text, begin, name=found["name"] or "")
        if end > begin:
            yield text[done:begin]
            yield MASKED
            done = end
    yield text[done:]


def _is_secret_in_text(found: re.Match[str]) -> bool:
    """Tell whether a name in a text is a secret's; ``KeyError: 'name'`` is no secret."""
    name = (found["name"] or found["option"]).rpartition(".")[2]
    return is_secret(name) and parts_of(name)[-1] not in _ERRORS


def _end_of_value(text: str, begin: int, *, name: str) -> int:
    if already := _MASKED.match(text, begin):
        return already.end()
    if not _TO_LINE_END.isdisjoint(parts_of(name)) and text[begin : begin + 1] not in ("'", '"'):
        return _end(_LINE.match(text, begin))
    end = _end_of_one(text, begin)
    while annotated := _ANNOTATED.match(text, end):
        end = _end_of_one(text, annotated.end())
    return end


def _end_of_one(text: str, begin: int) -> int:
    quoted = _QUOTED.match(text, begin) or _QUOTED_IN_QUOTES.match(text, begin)
    if quoted:
        return quoted.end()
    if text[begin : begin + 1] in _BRACKETS:
        return _end_of_brackets(text, begin)
    return _end(_WORD.match(text, begin))


def _end_of_brackets(text: str, begin: int) -> int:
    open_brackets: list[str] = []
    for place in range(begin, len(text)):
        character = text[place]
        if character in _BRACKETS:
            open_brackets.append(_BRACKETS[character])
        elif open_brackets[-1] == character:
            open_brackets.pop()
            if not open_brackets:
                return place + 1
    return len(text)


def _end(found: re.Match[str] | None) -> int:
    assert found is not None  # noqa: S101 - both patterns match the empty text
    return found.end()
