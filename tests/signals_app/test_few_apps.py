"""A project of Django-Q and this app alone: no admin, no users, no content types."""

from __future__ import annotations

import pytest

from tests.signals_app.projects import Project

DONE = {
    "deliveries status": "No queue has work, and no cluster was seen.",
    "deliveries list": "No delivery matches.",
    "deliveries check": "The queue default has no living cluster.",
    "deliveries pause queue default --yes": "The queue default is paused.\n",
    "deliveries cancel --all --yes": "0 deliveries were cancelled.",
    "deliveries cancel --all --yes --as ada": "CommandError: This project has no users: leave out --as.",
    "deliveries prune": "There is nothing to prune.",
    "signals": "Deliveries that ended are counted from",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project(tmp_path_factory.mktemp("project"))
    assert "OK" in made.manage("migrate")
    return made


@pytest.mark.parametrize("command", DONE)
def test_every_command_does_without_the_others(project: Project, command: str) -> None:
    assert project.manage(command).count(DONE[command]) == 1


def test_a_pause_is_told_once(project: Project) -> None:
    assert project.manage("deliveries pause queue default --yes")
    assert project.manage("deliveries resume queue default --yes") == "The queue default is resumed.\n"
