"""The reference names everything there is, and nothing else."""

import re
import tomllib
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Collection
from inspect import getmembers, isclass
from pathlib import Path
from typing import get_args

import pytest
from django.core.management import get_commands, load_command_class
from django.db.models import Model
from django.dispatch import Signal
from django.test import RequestFactory

from signals_app import backoff, dispatcher, events, exceptions, models, payloads, signals
from signals_app.conf import Conf, Defaults
from signals_app.dispatcher.current import CurrentDelivery
from tests.docs.markdown import ROOT, blocks, links, prose, table_cells, table_keys

REFERENCE = ROOT / "docs" / "reference"
API, SETTINGS, CHECKS, COMMANDS, ENVIRONMENT = (
    REFERENCE / f"{name}.md" for name in ("api", "settings", "checks", "commands", "environment")
)
MONITOR = ROOT / "docs" / "how-to" / "monitor.md"
OPTIONS = {setting.name for setting in Defaults.known().values()}


def words_of(parser: ArgumentParser) -> set[str]:
    """Return the options of a command, and its subcommands with theirs."""
    found: set[str] = set()
    for action in parser._actions:
        found |= {*action.option_strings}
        if isinstance(action, _SubParsersAction):
            found |= {*action.choices}.union(*map(words_of, action.choices.values()))
    return found


def names(keys: set[str]) -> set[str]:
    """Return what stands before the brackets of a signature."""
    return {key.partition("(")[0] for key in keys}


def test_every_setting_is_described_with_its_default() -> None:
    known = Conf.known()
    of_options = table_cells(SETTINGS, heading="Defaults of the receiver options")
    of_the_app = table_cells(SETTINGS, heading="How it works")
    assert of_options.keys() == {name.upper() for name in OPTIONS}
    assert of_options.keys() | of_the_app.keys() == known.keys()
    for key, cells in (of_options | of_the_app).items():
        if key not in ("QUEUE", "BACKOFF"):  # a function and the name of the cluster
            written = cells[1].strip("`")
            assert written == repr(known[key].default).replace("'", '"'), f"the default of {key}"


def is_public(name: str) -> bool:
    value = getattr(backoff, name)
    return callable(value) and value.__module__ == backoff.__name__ and not name.startswith("_")


SOURCE = "".join(path.read_text() for path in (ROOT / "signals_app").rglob("*.py"))
READ_BY_THE_SITE = set(re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', (ROOT / "sigdemo" / "settings.py").read_text()))


@pytest.mark.parametrize(
    ("page", "heading", "expected"),
    [
        (CHECKS, "System checks", re.findall(r'id="(signals_app\.[EW]\d+)"', SOURCE)),
        (API, "Options of a queued receiver", OPTIONS | {"key"}),
        (API, "signals_app.backoff", [name for name in vars(backoff) if is_public(name)]),
        (API, "Exceptions", dict(getmembers(exceptions, isclass))),
        (API, "Signals", [name for name, value in vars(signals).items() if isinstance(value, Signal)]),
        (API, "State", models.State.values),
        (API, "Outcome", models.Outcome.values),
        (MONITOR, "The log", get_args(events.Event)),
        (ENVIRONMENT, "The site's environment", READ_BY_THE_SITE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_table_has_everything_there_is_and_nothing_else(
    page: Path, heading: str, expected: Collection[str]
) -> None:
    assert names(table_keys(page, heading=heading)) == set(expected)


def test_the_readme_shows_variables_of_the_site() -> None:
    assert table_keys(ROOT / "README.md", heading="The site's environment") <= READ_BY_THE_SITE


@pytest.mark.parametrize("model", [models.Delivery, models.Attempt, models.Batch])
def test_every_field_of_the_record_is_described(model: type[Model]) -> None:
    described = table_keys(API, heading=model.__name__)
    assert described == {field.name for field in model._meta.concrete_fields} - ({"id"} - described)


def test_every_public_name_of_the_dispatcher_is_described() -> None:
    headings = {line.removeprefix("### ") for _, line in prose(API) if line.startswith("### ")}
    assert set(dispatcher.__all__) <= headings


def test_what_a_receiver_sees_of_its_delivery_is_described() -> None:
    public = {name for name in dir(CurrentDelivery) if not name.startswith("_")}
    made = CurrentDelivery(id=1, emission=models.Delivery().emission, attempt=1, max_attempts=1)
    public |= {name for name in vars(made) if not name.startswith("_")}
    assert names(table_keys(API, heading="current_delivery")) == public


def test_every_command_and_its_options_are_described() -> None:
    ours = {
        name: app
        for name, app in get_commands().items()
        if app in ("signals_app", "sigdemo", "sigdemo.shop", "sigdemo.lab")
    }
    headings = {line.removeprefix("### ") for _, line in prose(COMMANDS) if line.startswith("### ")}
    assert headings == set(ours)
    text = COMMANDS.read_text()
    common = {"-h", "--help", "--version", "-v", "--verbosity", "--settings", "--pythonpath", "--traceback"}
    common |= {"--no-color", "--force-color", "--skip-checks"}
    for name, app in ours.items():
        parser = load_command_class(app, name).create_parser("manage.py", name)
        missing = [word for word in words_of(parser) - common if f"`{word}" not in text]
        assert not missing, f"{name} {missing}"


def test_every_command_that_a_page_advises_can_be_given() -> None:
    parser = load_command_class("signals_app", "deliveries").create_parser("manage.py", "deliveries")
    pages = "".join(page.read_text() for page in (ROOT / "docs").rglob("*.md"))
    advised = re.findall(r"`manage\.py deliveries ([a-z-]+ [^`]+)`", pages)
    assert advised
    for arguments in advised:
        parser.parse_args(arguments.replace("TIME", "2h").split())


def test_the_procfile_is_shown_as_it_is() -> None:
    page = Path(ROOT / "docs" / "how-to" / "deploy.md").read_text()
    assert (ROOT / "Procfile").read_text() in page


def test_the_example_of_an_error_is_what_a_reader_would_get() -> None:
    (shown,) = [block.text for block in blocks(API) if block.language == "text"]
    with pytest.raises(exceptions.PayloadError) as error:
        payloads.encode_arguments(
            {"request": RequestFactory().get("/")},
            sender=None,
            signal="orders.signals.order_placed",
            receiver="orders.receivers.greet",
        )
    assert str(error.value) == " ".join(shown.split())


def test_the_drawing_holds_every_room_and_its_arrows_go_down() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["id"] == "floors"]
    floor = {name: number for number, layer in enumerate(layers) for name in re.findall(r"\w+", layer)}
    modules = {path.stem for path in (ROOT / "signals_app").iterdir() if path.suffix == ".py" or path.is_dir()}
    modules -= {"__init__", "__pycache__", "migrations", "static", "templates", "locale"}
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = {name: set(re.findall(r"\w+", text)) & modules for name, text in re.findall(r'(\w+)\["(.+)"\]', page)}
    assert set().union(*rooms.values()) == modules
    arrows = [(upper, lower) for upper, row in re.findall(r"(\w+) --> (.+)", page) for lower in row.split(" & ")]
    assert arrows
    for upper, lower in arrows:
        assert max(floor[one] for one in rooms[upper]) < min(floor[one] for one in rooms[lower]), (upper, lower)


def test_what_a_page_makes_can_be_made() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")):
        assert set(re.findall(r"(?:^|`)make ([a-z]+)\b", page.read_text(), re.MULTILINE)) <= targets, page.name


def test_the_badges_say_what_the_package_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    badges = " ".join(link.text for link in links(ROOT / "README.md"))
    for name, kind in (("Python", "Programming Language :: Python"), ("Django", "Framework :: Django")):
        versions = re.findall(rf"^{kind} :: (\d+\.\d+)$", "\n".join(project["classifiers"]), re.MULTILINE)
        assert f"{name} {', '.join(versions[:-1])} and {versions[-1]}" in badges
