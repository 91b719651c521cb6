"""The examples of the documentation, run as a reader would run them."""

from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

from tests.docs.reader import Reader


class Visitor:
    """A browser without scripts, on the web server of the page that is followed."""

    def __init__(self, reader: Reader) -> None:
        self._site = f"http://127.0.0.1:{reader.port}"
        self._cookies = CookieJar()
        self._open = build_opener(ProxyHandler({}), HTTPCookieProcessor(self._cookies)).open

    def get(self, path: str) -> str:
        """Return the text of a page."""
        with self._open(f"{self._site}{path}", timeout=20) as answer:
            text: str = answer.read().decode()
        return text

    def log_in(self, name: str, password: str) -> None:
        """Log in to the admin."""
        self.get("/admin/login/")
        token = next(cookie.value for cookie in self._cookies if cookie.name == "csrftoken")
        form = {"username": name, "password": password, "csrfmiddlewaretoken": token, "next": "/admin/"}
        with self._open(f"{self._site}/admin/login/", urlencode(form).encode(), timeout=20) as answer:
            assert "Log out" in answer.read().decode()


def test_the_tutorial_ends_with_the_record_in_the_admin(reader: Reader) -> None:
    reader.keep_running("python manage.py runserver 8000", ["Starting ... server at http://127.0.0.1:8000/"])
    visitor = Visitor(reader)
    visitor.log_in("baker", "sourdough")
    deliveries = visitor.get("/admin/signals_app/delivery/")
    assert "2 deliveries" in deliveries
    assert deliveries.count("print_label") >= 2
    assert "1/5" in deliveries
    assert "3/5" in deliveries
    page = visitor.get("/admin/signals_app/delivery/2/change/")
    assert page.count("OSError: The printer is out of paper.") == 2
    assert "orders.Order" in page  # the order travels by its primary key
