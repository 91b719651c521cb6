"""What every test relies on."""

pytest_plugins = ["tests.nothing_skipped"]
