"""The examples of the documentation, run as a reader would run them."""

import os
import sys
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import psycopg
import pytest
from dj_database_url import parse

from sigdemo.email_url import mail_settings
from tests.docs.markdown import PAGES, ROOT, blocks, name_of
from tests.docs.mysite import write_orders
from tests.docs.reader import SHOWN_ONLY, Reader, before_and_after, files_of

DOCS = ROOT / "docs"
HOW_TO = DOCS / "how-to"
OWN = ("install", "postgresql", "tenants")
ON_THEIR_OWN = [
    *(HOW_TO / f"{name}.md" for name in OWN),
    *(DOCS / "tutorial.md", DOCS / "explanation.md"),
    ROOT / "README.md",  # in tests/test_wheel.py
]
ON_THE_TUTORIAL = [
    *(page for page in sorted(HOW_TO.glob("*.md")) if page.stem not in (*OWN, "operate")),
    DOCS / "reference" / "api.md",
]


def test_the_tutorial_ends_with_the_record_in_the_admin(reader: Reader) -> None:
    reader.keep_running("python manage.py runserver 8000", "Starting ... server at http://127.0.0.1:8000/")
    site, cookies = f"http://127.0.0.1:{reader.port}/admin/", CookieJar()
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(cookies))

    def get(path: str, **form: str) -> str:
        with browser.open(site + path, urlencode(form).encode() or None, timeout=20) as answer:
            return str(answer.read().decode())

    get("login/")
    token = next(cookie.value or "" for cookie in cookies if cookie.name == "csrftoken")
    get("login/", username="baker", password="sourdough", csrfmiddlewaretoken=token, next="/admin/")
    deliveries = get("signals_app/delivery/")
    assert "2 deliveries" in deliveries
    assert deliveries.count("print_label") >= 2
    assert "1/5" in deliveries
    assert "3/5" in deliveries
    page = get("signals_app/delivery/2/change/")
    assert "Attempts 1 to 2, alike" in page
    assert "OSError: The printer is out of paper." in page
    assert "orders.Order" in page  # the order travels by its primary key


def start_mysite(reader: Reader) -> None:
    """Make the project of somebody who has not heard of signals_app yet."""
    for command in ("cd ..", "django-admin startproject mysite", "cd mysite", "python manage.py startapp orders"):
        reader.run(command)
    reader.project = reader.project.parent / "mysite"
    write_orders(reader.project)
    mails = mail_settings((reader.project / "mails").as_uri())
    with (reader.project / "mysite" / "settings.py").open("a") as settings:
        settings.writelines(f"{name} = {value!r}\n" for name, value in mails.items())


def import_everything(reader: Reader, page: Path) -> None:
    """Import each module that a page has written, those that nothing else imports included."""
    written = {name for block in blocks(page) if block.language == "python" for name, _, _ in files_of(block)}
    modules = sorted(name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in written)
    reader.run(f'python manage.py shell -c "import {", ".join(modules)}"')


def test_no_example_is_left_out() -> None:
    followed = {*ON_THE_TUTORIAL, *ON_THEIR_OWN}
    for page in PAGES:
        unread = [block.place for block in blocks(page) if block.language not in SHOWN_ONLY and page not in followed]
        assert not unread, f"no test follows {', '.join(unread)}"


@pytest.mark.parametrize("page", ON_THE_TUTORIAL, ids=name_of)
def test_pages_that_go_on_from_the_tutorial(reader: Reader, page: Path) -> None:
    reader.follow(page)
    import_everything(reader, page)


def test_installing_in_another_project(reader: Reader) -> None:
    start_mysite(reader)
    reader.follow(HOW_TO / "install.md")
    import_everything(reader, HOW_TO / "install.md")
    assert [file.read_text().count("Number 1") for file in (reader.project / "mails").iterdir()] == [1]


def test_either_side_of_the_change_has_at_most_eight_lines() -> None:
    (change,) = [block for block in blocks(ROOT / "README.md") if block.language == "diff"]
    for side in before_and_after(change):
        assert len([line for line in side.splitlines() if line and not line.startswith("#")]) <= 8


def test_how_long_a_send_takes(reader: Reader) -> None:
    reader.run("cd ..")
    reader.project = reader.project.parent
    reader.run(f"export PATH={os.path.dirname(sys.executable)}:$PATH")
    reader.follow(DOCS / "explanation.md")


if "TEST_DATABASE_URL" in os.environ:  # make test runs the tests of databases once more, on PostgreSQL

    @pytest.mark.database
    def test_the_tutorial_goes_on_with_postgresql_and_then_with_tenants(reader: Reader) -> None:
        url = os.environ["TEST_DATABASE_URL"]
        server, name = parse(url), f"bakery_{os.getpid()}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
            try:
                for key in ("HOST", "PORT", "USER", "PASSWORD"):
                    reader.run(f"export DB_{key}='{server[key]}'")
                reader.run(f"export DB_NAME={name}")
                for page in ("postgresql.md", "tenants.md"):
                    reader.follow(HOW_TO / page)
            finally:
                reader.__exit__()
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
