"""What is built: an sdist of the whole repository, and a wheel of signals_app alone that needs one line of settings."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from fnmatch import fnmatch
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dj_database_url import parse
from packaging.requirements import Requirement

from sigdemo.email_url import mail_settings
from tests.docs.markdown import blocks
from tests.docs.mysite import PLACE, write_orders
from tests.docs.reader import Reader, before_and_after
from tests.docs.terminal import clean_environment

ROOT = Path(__file__).parent.parent
HAS_TASKS = find_spec("django.tasks") is not None  # else there is the backport
LINK = re.compile(r"\]\(([^()\s]+)\)")
IGNORED = [".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text().split())]


def is_ignored(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in IGNORED)


def files_below(directory: Path) -> set[str]:
    """Return the paths of the repository's files below a directory, from its root."""
    found: set[str] = set()
    for entry in directory.iterdir():
        if not is_ignored(entry.name):
            found |= files_below(entry) if entry.is_dir() else {str(entry.relative_to(ROOT))}
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What ``python -m build`` makes: an sdist, and from that a wheel."""

    sdist: Path
    wheel: Path


def copy_sources(directory: Path) -> Path:
    """Copy the repository, so that nothing is left in the checkout."""
    shutil.copytree(ROOT, directory / "sigdemo", ignore=lambda _, names: list(filter(is_ignored, names)))
    return directory / "sigdemo"


def build(source: Path, out: Path, *options: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *options, str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    out = tmp_path_factory.mktemp("built")
    build(copy_sources(tmp_path_factory.mktemp("source")), out)
    return Built(sdist=next(out.glob("*.tar.gz")), wheel=next(out.glob("signals_app-*-py3-none-any.whl")))


def test_the_sdist_holds_every_file_of_the_repository(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert files_below(ROOT) - found == set()


def test_the_wheel_holds_every_file_of_signals_app_and_nothing_else(built: Built) -> None:
    found = {name for name in zipfile.ZipFile(built.wheel).namelist() if ".dist-info/" not in name}
    assert found == files_below(ROOT / "signals_app")
    assert "signals_app/py.typed" in found


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(archive.read(name))


def test_the_description_links_no_file_while_the_repository_has_no_address(built: Built) -> None:
    metadata = metadata_of(built.wheel)
    description = str(metadata.get_payload())
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "Why and when not compares them, with sources." in description
    assert [target for target in LINK.findall(description) if not target.startswith("https://")] == []


def test_the_description_links_the_version_where_the_repository_has_one(tmp_path: Path) -> None:
    project = copy_sources(tmp_path) / "pyproject.toml"
    address = "https://code.example.org/signals"
    project.write_text(project.read_text().replace("[project]", f'[project]\nurls.Source = "{address}"', 1))
    build(project.parent, tmp_path / "out", "--wheel")
    metadata = metadata_of(next((tmp_path / "out").iterdir()))
    targets = LINK.findall(str(metadata.get_payload()))
    assert f"{address}/blob/v{metadata['Version']}/docs/why.md" in targets
    assert f"{address}/raw/v{metadata['Version']}/docs/images/waiting.svg" in targets
    assert [target for target in targets if not target.startswith("https://")] == []


def needed(*wanted: str) -> set[str]:
    """Return the packages that these requirements need, as this Python has them."""
    found: set[str] = set()
    todo = [Requirement(one) for one in wanted]
    while todo:
        one = todo.pop()
        found.add(one.name)
        for extra in one.extras or {""}:
            requires = map(Requirement, distribution(one.name).requires or [])
            todo += [each for each in requires if not each.marker or each.marker.evaluate({"extra": extra})]
    return found


def make_environment(directory: Path, *packages: str) -> Path:
    """Make a virtual environment of this Python, with these packages as we have them and no other; return its bin.

    They are copied, which needs no network, and is where pip finds them when it looks for what a wheel asks for.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True)
    (library,) = directory.glob("lib/python*/site-packages")
    for name in packages:
        for file in distribution(name).files or []:
            if ".." not in file.parts and (place := Path(str(file.locate()))).exists():
                (library / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(place, library / file)
    return directory / "bin"


ON_POSTGRESQL = "TEST_DATABASE_URL" in os.environ


@pytest.fixture(scope="module")
def tools(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the wheel is installed, and nothing that it does not ask for."""
    extras = {"postgres": "psycopg[binary]"} if ON_POSTGRESQL else {}
    extras |= {} if HAS_TASKS else {"tasks": "django-tasks"}
    here = needed("cronsim", "django", "django-q2", "pytest", "pytest-django", *extras.values())
    found = make_environment(tmp_path_factory.mktemp("installed") / "venv", *here)
    wanted = f"[{','.join(extras)}]" if extras else ""
    pip = [sys.executable, "-m", "pip", "--python", str(found / "python")]
    install = [*pip, "install", "--no-index", "--quiet", f"{built.wheel}{wanted}"]
    subprocess.run(install, check=True, env=clean_environment())
    return found


@pytest.fixture
def somebody(tools: Path, tmp_path: Path) -> Iterator[Reader]:
    """Somebody with a blank project and an app ``orders``, who has installed the wheel where nothing else is."""
    environment = {
        "PATH": f"{tools}:{clean_environment()['PATH']}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "error",
    }
    (desk := tmp_path / "desk").mkdir()
    with Reader(tmp_path, environment, desk=desk) as reader:
        for command in ("python -m django startproject mysite", "cd mysite", "python manage.py startapp orders"):
            reader.run(command)
        reader.project = tmp_path / "mysite"
        write_orders(reader.project)
        written: dict[str, Any] = mail_settings((tmp_path / "mails").as_uri())
        if not ON_POSTGRESQL:
            write_settings(reader, written)
            yield reader
            return
        with psycopg.connect(os.environ["TEST_DATABASE_URL"], autocommit=True) as server:
            server.execute(f"CREATE DATABASE {(name := f'mysite_{os.getpid()}')}")
            try:
                database = {**parse(os.environ["TEST_DATABASE_URL"]), "NAME": name}
                write_settings(reader, written | {"DATABASES": {"default": database}})
                yield reader
            finally:
                reader.__exit__()
                server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def write_settings(reader: Reader, settings: dict[str, Any]) -> None:
    with (reader.project / "mysite" / "settings.py").open("a") as file:
        file.writelines(f"{name} = {value!r}\n" for name, value in settings.items())


@pytest.mark.database
def test_the_readme_is_all_that_a_blank_project_needs(somebody: Reader) -> None:
    somebody.follow(ROOT / "README.md")
    somebody.run("python manage.py makemigrations orders")
    somebody.run("python manage.py migrate")
    assert somebody.run("python manage.py check").endswith("System check identified no issues (0 silenced).\n")
    (change,) = [block for block in blocks(ROOT / "README.md") if block.language == "diff"]
    receivers, mails = somebody.project / "orders" / "receivers.py", somebody.project.parent / "mails"

    receivers.write_text(before_and_after(change)[0])
    somebody.run(PLACE)
    assert [mail.read_text().count("Number 1") for mail in mails.iterdir()] == [1]

    receivers.write_text(before_and_after(change)[1])
    somebody.run(PLACE)
    assert len([*mails.iterdir()]) == 1
    done = "... [Q] INFO orders.receivers.send_confirmation #1 succeeded, ..."
    somebody.keep_running("python manage.py qcluster", done)
    assert sorted(mail.read_text().count("Number 2") for mail in mails.iterdir()) == [0, 1]
    (log,) = [file.read_text() for file in (somebody.project.parent / "desk").glob("terminal-*")]
    assert not re.search("hint|warning", log, re.IGNORECASE)


PYTEST_TEST = """
from orders.models import Order
from orders.receivers import send_confirmation
from orders.signals import order_placed
from signals_app.testing import assert_handed_off


def test_an_order_sends_its_confirmation(deliveries, run_deliveries, mailoutbox):
    order = Order.objects.create(email="ada@example.com")
    order_placed.send(sender=Order, order=order)
    assert_handed_off(send_confirmation, deliveries, times=1, order=order)
    assert run_deliveries(until_idle=True, raise_errors=True) == 1
    assert [one.state for one in deliveries] == ["SUCCESSFUL"]
    assert len(mailoutbox) == 1
"""


def test_pytest_finds_the_fixtures_and_other_projects_do_not_notice(somebody: Reader) -> None:
    somebody.follow(ROOT / "README.md")
    somebody.run("python manage.py makemigrations orders")
    (somebody.project / "orders" / "test_confirmation.py").write_text(PYTEST_TEST)
    assert "1 passed" in somebody.run("python -m pytest --ds mysite.settings orders")
    (plain := somebody.project.parent / "plain").mkdir()
    (plain / "test_plain.py").write_text(
        "import sys\n\n\ndef test_plain():\n    assert not {'django', 'signals_app.testing'} & sys.modules.keys()\n"
    )
    assert "1 passed" in somebody.run(f"python -m pytest -p no:django --rootdir {plain} {plain}")


TASKS = f"""
from {"django.tasks" if HAS_TASKS else "django_tasks"} import task


@task
def count_letters(text):
    return len(text)
"""
CLOCK = """

from signals_app.dispatcher import scheduled


@scheduled("* * * * * *")
def strike(sender, due, **kwargs):
    pass
"""


def test_a_blank_project_runs_tasks_and_what_the_clock_sends(somebody: Reader) -> None:
    somebody.follow(ROOT / "README.md")
    (somebody.project / "orders" / "tasks.py").write_text(TASKS)
    with (somebody.project / "orders" / "receivers.py").open("a") as receivers:
        receivers.write(CLOCK)
    with (somebody.project / "mysite" / "settings.py").open("a") as settings:
        settings.write('TASKS = {"default": {"BACKEND": "signals_app.tasks.DeliveryBackend"}}\n')
        if not HAS_TASKS:
            settings.write('INSTALLED_APPS += ["django_tasks"]\n')
    somebody.run("python manage.py makemigrations orders")
    somebody.run("python manage.py migrate")
    count = "from orders.tasks import count_letters"
    task = somebody.run(f"python manage.py shell -c '{count}; print(count_letters.enqueue(\"tick\").id)'").split()[-1]
    somebody.keep_running("python manage.py qcluster", "... orders.receivers.strike #... succeeded, ...")
    result = f'{count}; print(count_letters.get_result("{task}").return_value)'
    somebody.wait_for(f"python manage.py shell -c '{result}'", ["4"])
