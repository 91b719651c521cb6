"""Secrets in free text, such as a message or a traceback."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from signals_app.redaction.names import MASKED, is_secret, parts_of

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
_NAMING = "name|key|field|header|label|parameter|attribute|variable|setting"
_FIELD = rf"""(?<![\w.-])(?i:{_NAMING})\\*["']?[ \t]*(?:=>|[:=])[ \t]*\\*["'](?P<name>[\w.-]++)\\*["']"""
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
# each is looked for where one of its signs is, in small letters
_FIRST = (
    (("-----",), _PRIVATE_KEY),
    (("-----",), _END_OF_KEY),
    (("://",), _CREDENTIALS),
    (("://",), _ODD_CREDENTIALS),
    (("://",), _TOKEN_IN_URL),
)
_BY_NAME = (
    (("val", "content"), _VALUE_OF_FIELD),
    (("=", ":"), _POSTED),
    (("(", "["), _PAIR),
    (("val", "content"), _FIELD_OF_VALUE),
    (("=", ":", "--"), _NAMED),
)
_LAST = ((("bearer", "basic"), _SCHEME), (("eyj",), _JWT), (_ISSUERS, _ISSUED))
_WINDOW = 10  # times as much is masked as is kept of a text: to mask 10 MB takes seconds
_SEAM = 200  # characters where the window ends that may be of half a secret


def masked_text(text: str) -> str:
    """Return free text, such as a traceback, with the secrets masked that can be told from what is around them.

    Those are values after a secret's name (``password=…``, ``"token": …``, ``--secret …``), the rest of the line after
    ``Authorization:`` and ``Cookie:``, passwords in URLs, bearer tokens, JSON Web Tokens, private keys, and what some
    services give out. A secret that stands there without any of these cannot be told from other words and stays.
    """
    folded = text.casefold()
    if not any(sign in folded for sign in _SIGNS):
        return text
    for pattern in _of_signs(_FIRST, folded):
        text = pattern.sub(rf"\g<before>{MASKED}", text)
    for pattern in _of_signs(_BY_NAME, folded):
        if "before" in pattern.groupindex:
            text = pattern.sub(_masked_where_secret, text)
        else:
            text = "".join(_with_values_masked(text, pattern))
    for pattern in _of_signs(_LAST, folded):
        text = pattern.sub(rf"\g<before>{MASKED}", text)
    return text


def _of_signs(patterns: Iterable[tuple[Iterable[str], re.Pattern[str]]], folded: str) -> Iterator[re.Pattern[str]]:
    for signs, pattern in patterns:
        if any(sign in folded for sign in signs):
            yield pattern


def beginning(text: str, most: int) -> str:
    """Return the first characters of a text, masked before it is cut: half a secret could not be told for one."""
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


def _masked_where_secret(found: re.Match[str]) -> str:
    return f"{found['before']}{MASKED}" if is_secret(found["name"]) else found[0]


def _with_values_masked(text: str, pattern: re.Pattern[str]) -> Iterator[str]:
    done = 0
    for found in pattern.finditer(text):
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
    name = found[found.lastgroup or 0].rpartition(".")[2]
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
