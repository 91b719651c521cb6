"""The package's description is README, with links that lead somewhere from the package index too."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).parent
RELATIVE = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\((?!https:)([^()\s]+)\)")


def description(source: str, version: str) -> str:
    """Return README with absolute links to ``source``, a GitHub repository; without one, with their texts alone."""

    def absolute(link: re.Match[str]) -> str:
        mark, text, target = link.groups()
        if not source:
            return "" if mark else text
        return f"{mark}[{text}]({source}/{'raw' if mark else 'blob'}/v{version}/{target})"

    return RELATIVE.sub(absolute, (ROOT / "README.md").read_text())


if __name__ == "__main__":
    addresses = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {})
    (version,) = re.findall(r'^__version__ = "(.+)"', (ROOT / "signals_app" / "__init__.py").read_text(), re.MULTILINE)
    setup(
        long_description=description(addresses.get("Source", ""), version),
        long_description_content_type="text/markdown",
    )
