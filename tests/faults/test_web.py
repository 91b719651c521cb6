"""A real web server: its database goes away and comes back, and somebody sends too much."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client

from sigdemo.lab import limits
from sigdemo.lab.kinds import IN_THE_REQUEST, Kind, Plan
from sigdemo.lab.models import LabLane, LabRun
from sigdemo.shop.assortment import stock_shelves
from sigdemo.shop.models import Order, Product
from sigdemo.throttle.limits import LOGIN
from signals_app.models import Delivery
from tests.browser.web import Web
from tests.cluster import wait_until
from tests.faults.harness import VENDOR, Fault, size
from tests.faults.server import Server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

WORDS = "The site cannot reach its data"
POSTGRESQL = VENDOR == "postgresql"


class Visitor:
    def __init__(self, site: str, session: str = "") -> None:
        self.site = site
        self._browser = build_opener(HTTPCookieProcessor(CookieJar()), ProxyHandler({}))
        if session:
            self._browser.addheaders = [("Cookie", f"sessionid={session}")]

    def ask(self, address: str, form: dict[str, str] | None = None, *, site: str = "") -> tuple[int, str, str]:
        """Return status, Retry-After and page; ``site`` is another one that shares the data."""
        data = None if form is None else urlencode(form).encode()
        try:
            with self._browser.open((site or self.site) + address, data, timeout=30) as answer:
                return answer.status, "", answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.headers.get("Retry-After", ""), error.read().decode()

    def order(self) -> dict[str, str]:
        """Return a form filled in: one piece of the first product."""
        page = self.ask("/shop/")[2]
        hidden = dict(re.findall(r'name="(csrfmiddlewaretoken|token)" value="([^"]+)"', page))
        product = Product.objects.order_by("pk")[0]
        return {**hidden, "name": "Ada", "email": "ada@example.com", f"quantity-{product.pk}": "1"}


@pytest.fixture(scope="module")
def web(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The site, with a database that waits for a lock no longer than a second on SQLite."""
    given = {} if POSTGRESQL else {"DATABASE_URL": os.environ["DATABASE_URL"] + "?timeout=1"}
    with Web(tmp_path_factory.mktemp("web") / "web.log", **given) as running:
        yield running


@pytest.fixture
def ada(web: Web) -> Visitor:
    stock_shelves(restock=False)
    return Visitor(web.url)


@contextmanager
def nobody_let_in() -> Iterator[None]:
    """PostgreSQL: every connection is cut, and none is accepted."""
    allow = f'ALTER DATABASE "{connection.settings_dict["NAME"]}" ALLOW_CONNECTIONS'
    with psycopg.connect(os.environ["TEST_DATABASE_URL"], autocommit=True) as server:
        server.execute(f"{allow} false")
        try:
            cut(others())
            yield
        finally:
            server.execute(f"{allow} true")


@contextmanager
def cut_in_mid_request() -> Iterator[None]:
    """PostgreSQL: a request that wants to write an order waits for a lock, and is cut while it does."""
    over = threading.Event()

    def cut_whoever_waits() -> None:
        while not over.wait(0.05):
            cut("wait_event_type = 'Lock'")

    with ThreadPoolExecutor(1) as pool, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE shop_order IN ACCESS EXCLUSIVE MODE")
        pool.submit(cut_whoever_waits)
        try:
            yield
        finally:
            over.set()


@contextmanager
def write_lock_held() -> Iterator[None]:
    """SQLite: the only write lock is somebody else's, for longer than a request waits. PostgreSQL: that of a row."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE shop_product SET stock = stock")
        yield


def others() -> str:
    """Return the condition that a connection is not this one."""
    connection.ensure_connection()
    return f"pid <> {connection.connection.info.backend_pid}"


def cut(which: str) -> int:
    """PostgreSQL: cut the connections to the test's database for which the condition holds; return how many."""
    query = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = %s AND {which}"
    with psycopg.connect(os.environ["TEST_DATABASE_URL"], autocommit=True) as server:
        (number,) = server.execute(query, [connection.settings_dict["NAME"]]).fetchone() or (0,)
    return int(number)


OUTAGES = [nobody_let_in, cut_in_mid_request] if POSTGRESQL else [write_lock_held]


@pytest.mark.short
@pytest.mark.fault(8, "database away, seen from the web")
@pytest.mark.parametrize("outage", OUTAGES)
def test_an_outage_is_told_and_over_by_itself(outage: Callable[[], Any], ada: Visitor) -> None:
    form = ada.order()
    with outage():
        status, after, page = ada.ask("/shop/", form)
        assert (status, after) == (503, "5")
        assert WORDS in page
        assert ada.ask("/lab/ping/")[0] == 200  # what needs no data goes on
        if outage is nobody_let_in:
            known = Visitor(ada.site, session="a" * 32)
            assert [known.ask(address)[0] for address in ("/shop/", "/lab/", "/admin/", "/health/")] == [503] * 4
    assert ada.ask("/shop/", form)[0] == 200
    assert Order.objects.count() == 1


@pytest.mark.database("postgresql")
@pytest.mark.fault(8, "PostgreSQL restarted with -m immediate, seen from the web")
def test_a_server_that_crashes_again_and_again_costs_no_order_and_doubles_none(
    own_server: Server, fault: Fault
) -> None:
    restarts = 10
    with Web(fault.directory / "web.log") as web, ThreadPoolExecutor(1) as pool:
        family, ada = web.family(), Visitor(web.url)
        stock_shelves(restock=False)
        told: Counter[int] = Counter()
        for number in range(restarts):
            form = ada.order()
            connection.close()
            asked = pool.submit(ada.ask, "/shop/", form)
            time.sleep(number / 100)  # the crash meets the request somewhere else each time
            own_server.stop("immediate")
            told[asked.result()[0]] += 1
            status, after, page = ada.ask("/shop/", form)
            assert (status, after) == (503, "5")
            assert WORDS in page
            own_server.start()
            assert ada.ask("/shop/", form)[0] == 200
        assert web.family() == family
    fault.note(restarts=restarts, requests_cut_short=told[503])
    assert set(told) <= {200, 503}
    assert Order.objects.count() == restarts
    assert set(Counter(Delivery.objects.values_list("receiver", flat=True)).values()) == {restarts}


@pytest.mark.fault(8, "database disturbed, seen from the web")
def test_a_disturbance_between_requests_is_not_even_noticed(ada: Visitor) -> None:
    for _ in range(3):
        form = ada.order()
        if POSTGRESQL:
            assert cut(others()) > 0
            assert ada.ask("/shop/", form)[0] == 200
        else:
            with ThreadPoolExecutor(1) as pool, write_lock_held():
                pool.submit(ada.ask, "/shop/", form)
                time.sleep(0.2)  # the request has to find the lock held
    assert Order.objects.count() == 3


def test_all_processes_together_let_nobody_try_passwords_without_end(ada: Visitor, tmp_path: Path) -> None:
    hidden = dict(re.findall(r'name="(csrfmiddlewaretoken)" value="([^"]+)"', ada.ask("/admin/login/")[2]))
    form = {**hidden, "username": "boss", "password": "wrong"}
    with Web(tmp_path / "second.log") as second, ThreadPoolExecutor(4) as pool:

        def try_password(number: int) -> int:
            return ada.ask("/admin/login/", form, site=(ada.site, second.url)[number % 2])[0]

        statuses = Counter(pool.map(try_password, range(24)))
    assert statuses == {200: LOGIN.most, 429: 24 - LOGIN.most}


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_whoever_sends_7_mb_gets_to_read_that_it_is_too_much(kind: str, web: Web) -> None:
    with closing(HTTPConnection("127.0.0.1", web.port, timeout=30)) as browser:
        browser.request("POST", "/shop/", b"x" * 7 * 1024 * 1024, {"Content-Type": kind})
        answer = browser.getresponse()
        assert answer.status == 413
        assert "This is too large" in answer.read().decode()
        browser.request("GET", "/lab/ping/")  # the connection is still good
        assert browser.getresponse().read() == b"pong"


HALF_A_HEAD = b"GET /shop/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
HALF_A_BODY = b"POST /shop/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\na=b"
NEVER_READ = b"GET /static/admin/js/vendor/jquery/jquery.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20


@pytest.mark.parametrize("said", [HALF_A_HEAD, HALF_A_BODY, NEVER_READ], ids=["head", "body", "answer"])
def test_slow_clients_keep_no_thread(said: bytes, ada: Visitor, web: Web) -> None:
    slow = size(100, 1_000)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most[1], most[1]))
        connections = [stack.enter_context(socket.create_connection(("127.0.0.1", web.port))) for _ in range(slow)]
        for sent in said, b"x", b"x":
            for one in connections:
                one.sendall(sent)
            assert ada.ask("/shop/")[0] == 200
            assert ada.ask("/health/live/")[0] == 200


def test_health_answers_while_the_lab_is_as_busy_as_it_can_be(web: Web) -> None:
    for slot in limits.SLOTS:
        limits.write(Plan(kind=Kind.WAIT, seconds=3, fan_out=1, ways=IN_THE_REQUEST), slot=slot)
    boss = Client()
    boss.force_login(User.objects.create_superuser("boss"))
    staff = Visitor(web.url, session=f"{boss.cookies['sessionid'].value}; csrftoken={'a' * 32}")
    form = {"csrfmiddlewaretoken": "a" * 32, "script": "1"}
    lanes = [f"{run.get_absolute_url()}{way}/" for run in LabRun.objects.all() for way in IN_THE_REQUEST]
    with ThreadPoolExecutor(len(lanes)) as pool:
        asked = [pool.submit(staff.ask, lane, form) for lane in lanes]
        begun = LabRun.objects.filter(lanes__started_at__isnull=False).distinct()
        wait_until(lambda: begun.count() == len(limits.SLOTS), "a lane of each run")
        assert staff.ask("/health/live/")[0] == 200
        assert LabLane.objects.exclude(started_at=None).filter(answered_after=None).exists()
    assert Counter(one.result()[0] for one in asked)[409] >= len(limits.SLOTS)


def test_a_body_without_end_and_a_head_without_end_are_cut(web: Web) -> None:
    for begun in HALF_A_HEAD, HALF_A_BODY.replace(b"100000", b"99999999"):
        with closing(socket.create_connection(("127.0.0.1", web.port), timeout=30)) as endless, suppress(OSError):
            endless.sendall(begun)
            for _ in range(1_000):
                endless.sendall(b"x" * 64 * 1024)
            raise AssertionError("64 MB were taken.")


def test_what_is_being_answered_ends_before_the_server_does(tmp_path: Path) -> None:
    stock_shelves(restock=False)
    with Web(tmp_path / "web.log") as web:
        form = urlencode(Visitor(web.url).order())
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "csrftoken=" + "a" * 32}
        form = re.sub("csrfmiddlewaretoken=[^&]*", "csrfmiddlewaretoken=" + "a" * 32, form)
        with closing(HTTPConnection("127.0.0.1", web.port, timeout=30)) as browser:
            with write_lock_held():
                browser.request("POST", "/shop/", form, headers)
                time.sleep(0.3)  # the request has to find the lock held
                (process,) = web.family()
                os.kill(process, signal.SIGTERM)
            assert browser.getresponse().status == 302
    assert Order.objects.count() == 1
