"""Requests that nobody means well: every address of the site with methods, queries, bodies and headers at random."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from sigdemo.shop import warehouse
from tests.faults.odd import COOKIES, FIELDS, HEADERS, JSON_BODIES, METHODS, QUERIES, TEXTS, TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One request."""

    method: str
    path: str
    query: str
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    def send(self, client: Client) -> Any:
        """Return the site's answer."""
        extra: dict[str, Any] = {"QUERY_STRING": self.query, **self.environ}
        return client.generic(self.method, self.path, self.body, self.content_type, headers=dict(self.headers), **extra)


def addresses(known: Mapping[str, Sequence[str]]) -> list[tuple[str, list[str]]]:
    """Return every address of the site as a template such as ``/shop/orders/{}/``, with the names of its parts."""
    found = [_address(route) for route in _routes(get_resolver())]
    missing = {name for _, names in found for name in names} - known.keys()
    assert not missing, f"Say which values {missing} may have."
    return found


def _routes(resolver: URLResolver, before: str = "/") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix("$").removesuffix("\\Z")
        if isinstance(pattern, URLPattern):
            yield route
        else:
            yield from _routes(pattern, route)


def _address(route: str) -> tuple[str, list[str]]:
    part = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
    return part.sub("{}", route), [one or other for one, other in part.findall(route)]


class Attacker:
    """Makes requests from a seed; ``known`` are values that parts of addresses may have where they mean something.

    Every address has its turn; those that begin with one of ``aims`` have more of them.
    """

    def __init__(self, seed: int, known: Mapping[str, Sequence[str]], aims: tuple[str, ...]) -> None:
        self._chance = random.Random(seed)
        self._known = known
        found = addresses(known)
        self._addresses = found + [one for one in found if one[0].startswith(aims)] * 4

    def requests(self, count: int) -> Iterator[Hostile]:
        """Yield requests, each address in its turn."""
        for number in range(count):
            template, names = self._addresses[number % len(self._addresses)]
            yield self._request(template.format(*map(self._part, names)))

    def _request(self, path: str) -> Hostile:
        chance = self._chance
        content_type, body = self._body()
        environ = {"REMOTE_ADDR": f"10.{chance.randrange(256)}.{chance.randrange(256)}.1"}  # or limits shut the door
        if chance.random() < 0.05:
            environ["CONTENT_LENGTH"] = chance.choice(["-1", "abc", "", "1e3", "0"])
        headers = {name: self._header(name) for name in chance.sample(HEADERS, chance.choice([0, 0, 1, 3]))}
        if content_type == "application/json" and chance.random() < 0.7:
            headers |= {warehouse.SIGNATURE_HEADER: warehouse.sign(body), warehouse.KEY_HEADER: "hostile"}
        return Hostile(
            method=chance.choice(METHODS),
            path=path,
            query=self._pairs(QUERIES) if chance.random() < 0.7 else "",
            body=body,
            content_type=content_type,
            headers=headers,
            environ=environ,
        )

    def _text(self) -> str:
        if self._chance.random() < 0.15:
            return "".join(chr(self._chance.randrange(1, 0x2FFF)) for _ in range(self._chance.randrange(30)))
        return self._chance.choice(TEXTS)

    def _part(self, name: str) -> str:
        if self._chance.random() < 0.75:
            return self._chance.choice(self._known[name])
        return quote(self._text().encode("utf-8", "surrogatepass"), safe=self._chance.choice(["", "/"]))

    def _pairs(self, names: Sequence[str]) -> str:
        count = self._chance.choice([1, 1, 2, 3, 6])
        pairs = [(self._chance.choice(names), self._text()) for _ in range(count)]
        return "&".join("=".join(quote(one.encode("utf-8", "surrogatepass")) for one in pair) for pair in pairs)

    def _header(self, name: str) -> str:
        value = self._chance.choice(COOKIES) if name == "Cookie" else self._text()
        # a web server lets no line end and no NUL into a header
        return re.sub("[\0\r\n]", "", value).encode("utf-8", "replace").decode("latin-1")

    def _body(self) -> tuple[str, bytes]:
        chance = self._chance
        content_type = chance.choice(TYPES)
        if content_type == "application/json":
            return content_type, chance.choice(JSON_BODIES)
        kind = chance.randrange(6)
        if kind == 0:
            return content_type, chance.randbytes(chance.choice([0, 1, 100, 3_000]))
        if kind == 1:
            return content_type, b"&".join(b"f%d=1" % number for number in range(1_001))
        if content_type.startswith("multipart"):
            return content_type, self._multipart()
        return content_type, self._pairs(FIELDS).encode()

    def _multipart(self) -> bytes:
        end = self._chance.choice([b"\r\n", b"\n", b""])
        parts = []
        for _ in range(self._chance.choice([1, 2, 200])):
            name = self._chance.choice(FIELDS).encode("utf-8", "surrogatepass")
            file = self._chance.choice([b"", b'; filename="../x.pdf"', b'; filename="\0"', b"; filename*=utf-8''%ff"])
            encoding = self._chance.choice([b"", b"Content-Transfer-Encoding: base64" + end, b"\xff: \xff" + end])
            text = self._text().encode("utf-8", "surrogatepass")
            parts.append(
                b'--x%sContent-Disposition: form-data; name="%s"%s%s%s%s%s'
                % (end, name, file, end, encoding, end, text)
            )
        return end.join(parts) + self._chance.choice([b"", end + b"--x--", end + b"--x"])


def told(request: Hostile) -> str:
    """Return a request in few words, for the message of a test."""
    shown = {"query": request.query, "type": request.content_type, **request.headers, **request.environ}
    return f"{request.method} {request.path[:200]} {json.dumps(shown)[:600]} {request.body[:200]!r}"
