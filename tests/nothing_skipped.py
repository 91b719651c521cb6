"""A plugin for pytest: in CI (the variable ``CI`` is set) a test that is skipped fails the run."""

import os

import pytest


def _skipped(config: pytest.Config) -> list[pytest.TestReport]:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    return reporter.stats.get("skipped", []) if reporter and os.environ.get("CI") else []


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when CI is set and a test was skipped: what it needs is missing there."""
    if _skipped(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why the run failed."""
    if skipped := _skipped(config):
        terminalreporter.section("skipped in CI", red=True)
        terminalreporter.line(
            f"CI is set and {len(skipped)} tests were skipped, which counts as failure. "
            "Install what they ask for (the reasons stand above)."
        )
