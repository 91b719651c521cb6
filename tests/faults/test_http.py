"""The HTTP side under attack: whatever is sent, the answer says what was wrong with it, and none is a 500.

Every address of the site gets requests with methods, queries, bodies and headers at random.
"""

from __future__ import annotations

import logging
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from sigdemo.lab.models import LabLane, LabRun
from sigdemo.shop import warehouse
from sigdemo.shop.assortment import stock_shelves
from sigdemo.shop.models import Product
from signals_app.models import State
from tests.faults.harness import size
from tests.sigdemo.shop.goods import order
from tests.signals_app.console.admin.rows import attempt, delivery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

AIMS = {False: ("/shop/", "/lab/", "/admin/login/"), True: ("/admin/signals_app/", "/admin/shop/", "/shop/", "/lab/")}
REQUESTS = size(1_200, 30_000)  # of visitors, and as many of staff


@pytest.fixture
def known() -> dict[str, list[str]]:
    """Something of everything, so that the addresses lead somewhere."""
    stock_shelves(restock=False)
    placed = order({Product.objects.order_by("pk")[0]: 1})
    failed = delivery(State.FAILED)
    ended = attempt(failed)
    run = LabRun.objects.create(kind="wait", seconds=0.5, fan_out=1)
    LabLane.objects.create(run=run, way="queued", position=0)
    return {
        "public_id": [str(placed.public_id), str(run.public_id)],
        "object_id": [str(failed.pk), str(ended.pk), str(placed.pk), "add", "1"],
        "name": ["retry", "cancel"],
        "emission": [str(failed.emission), "00000000-0000-0000-0000-000000000000"],
        "way": ["queued", "thread"],
        "stretch": ["idle", "queued"],
        "app_label": ["auth", "shop", "signals_app"],
        "content_type_id": ["1", "2"],
        "id": ["1", str(failed.pk)],
        "url": ["nowhere/", "signals_app/delivery", "logout"],
    }


@pytest.fixture
def quiet() -> Iterator[None]:
    """Log nothing: it would be a line or a traceback for each request."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.short("sqlite")
@pytest.mark.fault(26, "hostile HTTP requests")
@pytest.mark.parametrize("staff", [False, True], ids=["visitor", "staff"])
@pytest.mark.usefixtures("quiet")
def test_no_request_breaks_the_site(staff: bool, known: dict[str, list[str]], record_property: Any) -> None:
    seed = 20261123 + staff
    boss = User.objects.create_superuser("boss")
    clients = [Client(raise_request_exception=False, enforce_csrf_checks=enforce) for enforce in (False, False, True)]
    broken: list[str] = []
    statuses: Counter[int] = Counter()
    for number, request in enumerate(Attacker(seed, known, AIMS[staff]).requests(REQUESTS)):
        client = clients[number % 3]
        if staff and ("logout" in request["path"] or number < 3):
            client.force_login(boss)  # a session of its own for each client
        elif not staff:
            client.cookies.clear()
        session = client.cookies.get("sessionid")
        answer = client.generic(**request)
        client.cookies.clear()
        if session is not None:
            client.cookies["sessionid"] = session.value
        statuses[answer.status_code] += 1
        if problem := trouble(answer):
            broken.append(f"{problem}: {request!r:.1200}")
    record_property("requests", REQUESTS)
    record_property("kinds of status", len(statuses))
    assert statuses[200] > REQUESTS / 40, statuses  # else it attacks closed doors only
    assert not broken, f"seed {seed}: {len(broken)} of {REQUESTS}\n" + "\n".join(broken[:40])


def trouble(answer: Any) -> str:
    """Return what is wrong with an answer; "" where nothing is."""
    away = answer.status_code == 503 and b"cannot reach its data" in answer.content
    if away or (answer.status_code >= 500 and answer.status_code != 503):  # the health page says 503 itself
        error = answer.exc_info and answer.exc_info[1]
        return f"{answer.status_code} {type(error).__name__} {str(error)[:100]}"
    if "Content-Security-Policy" not in answer:
        return "no policy"
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if answer["Content-Type"].startswith("text/html") and MARK.encode() in content:
        return "a script is let through"
    return ""


def words(text: str, *others: str) -> list[str]:
    """Return the words of a text, and others that no text can hold."""
    return [*text.split(), *others]


MARK = "<script>evil()</script>"  # comes back in no page as it was sent
METHODS = words("GET GET GET POST POST HEAD PUT PATCH DELETE OPTIONS TRACE PROPFIND get")
TEXTS = words(
    r"""0 -1 1 2.5 NaN -Infinity 1e400 0x10 true null % _ \ ' , ; = &=& a=b [] {} [[1]] "# in isnull READY 13 10000
    {{7*7}} ${7*7} __class__ ../../etc/passwd ..\..\x //evil.example/ https://evil.example javascript:alert(1)
    #1 #99999999999999999999 2026-02-30 0001-01-01 00000000-0000-0000-0000-000000000000""",
    *("", MARK, "' OR 1=1 --", '"; DROP TABLE x', "{% include 'x' %}", "9" * 30, "9" * 5_000, "\uff11\uff12"),
    *("\0", "a\0b", "\ud800", "\r\nX-Evil: 1", "\x1b[2J", "\u2028", "\u202e", "é" * 300, "💥", "a" * 5_000),
)
QUERIES = words(
    """q p o e all page state receiver signal queue unroutable outcome error_class enqueued_at__year enqueued_at__month
    enqueued_at__day finished_at__year enqueued_at__gte payload__contains password delivery__payload__regex id__in pk
    id__foo__bar state__exact _popup _to_field _changelist_filters _facets next repeated is_staff__exact created_at__gte
    app_label model_name field_name term period window since live placed_at__year created_at__year date_joined__year
    created_at__iso_year received_at__year id__year""",
    MARK,
)
FIELDS = words(
    """name email token quantity-1 quantity- failures seconds fan_out ways all script action _selected_action post
    select_across index username password next _save csrfmiddlewaretoken old_password new_password1 form-TOTAL_FORMS
    form-0-id usable_password first_name last_login_0 last_login_1 user_permissions groups date_joined_0 _continue""",
    "quantity-\0",
    MARK,
)
HEADERS = words(
    """Host X-Forwarded-Host X-Forwarded-For X-Forwarded-Proto Referer Origin Cookie Accept Accept-Language
    Accept-Encoding Range If-Modified-Since If-None-Match Authorization X-HTTP-Method-Override X-Requested-With
    X-CSRFToken User-Agent Idempotency-Key X-Sigdemo-Signature Content-Encoding Transfer-Encoding Expect"""
)
COOKIES = words(
    r"""= ;;; sessionid="\000" messages="[[" messages="\000:x" sessionid="\357\277" sessionid=.eJ:x:y""",
    *("csrftoken=short", "csrftoken=" + "a" * 32, "sessionid=" + "a" * 40, "a=b; a=c; sessionid=é", 'x="' + "\\" * 50),
)
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
TYPES = [
    *(FORM, FORM, f"{FORM}; charset=nope", "application/json", "application/json; charset=utf-16", "text/plain", ""),
    *(f"{MULTIPART}; boundary=x", MULTIPART, f"{MULTIPART}; boundary=", f"{MULTIPART}; boundary={'x' * 300}"),
    *(f"{MULTIPART}; boundary=\x80", "multipart/mixed", "a/b; charset=zz"),
]
JSON_BODIES = [
    *(b"", b"{", b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5_000, b"[" + b"9" * 400 + b"]", b"[1e999]", b"[NaN, -1]"),
    *(b'"\\ud800"', b"\xff\xfe{\x00}\x00", b"null", b"[[]]", b'{"order": "\\u0000", "lines": [{}]}', b'["\\u2028"]'),
    *(b'{"order": "1", "lines": [{"sku": "x", "quantity": 1e2}]}', b'{"order": {}, "lines": {}}', b"[true]"),
]


def addresses(known: Mapping[str, Sequence[str]]) -> list[tuple[str, list[str]]]:
    """Return every address of the site as a template such as ``/shop/orders/{}/``, with the names of its parts."""
    part = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>[^)]*\)")
    routes = _routes(get_resolver())
    found = [(part.sub("{}", route), [one or other for one, other in part.findall(route)]) for route in routes]
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


class Attacker:
    """Makes requests from a seed; ``known`` are values that parts of addresses may have where they mean something.

    Every address has its turn; those that begin with one of ``aims`` have more of them.
    """

    def __init__(self, seed: int, known: Mapping[str, Sequence[str]], aims: tuple[str, ...]) -> None:
        self._chance = random.Random(seed)
        self._known = known
        found = addresses(known)
        self._addresses = found + [one for one in found if one[0].startswith(aims)] * 4

    def requests(self, count: int) -> Iterator[dict[str, Any]]:
        """Yield what Django's client takes, each address in its turn."""
        for number in range(count):
            template, names = self._addresses[number % len(self._addresses)]
            yield self._request(template.format(*map(self._part, names)))

    def _request(self, path: str) -> dict[str, Any]:
        chance = self._chance
        content_type, body = self._body()
        environ = {"REMOTE_ADDR": f"10.{chance.randrange(256)}.{chance.randrange(256)}.1"}  # or limits shut the door
        if chance.random() < 0.05:
            environ["CONTENT_LENGTH"] = chance.choice(["-1", "abc", "", "1e3", "0"])
        headers = {name: self._header(name) for name in chance.sample(HEADERS, chance.choice([0, 0, 1, 3]))}
        if content_type == "application/json" and chance.random() < 0.7:
            headers |= {warehouse.SIGNATURE_HEADER: warehouse.sign(body), warehouse.KEY_HEADER: "hostile"}
        query = self._pairs(QUERIES) if chance.random() < 0.7 else ""
        what = {"method": chance.choice(METHODS), "path": path, "content_type": content_type, "data": body}
        return what | {"headers": headers, "QUERY_STRING": query} | environ

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
            head = b'--x%sContent-Disposition: form-data; name="%s"%s%s' % (end, name, file, end)
            parts.append(head + encoding + end + text)
        return end.join(parts) + self._chance.choice([b"", end + b"--x--", end + b"--x"])
