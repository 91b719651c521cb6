"""The site of the documentation: ``python -m tests.docs.site build``, ``serve`` or ``publish DIRECTORY VERSION``.

docs/ is written to be read in the repository. The site is built from a copy of it, in which links out of docs/ lead to
copies of what they name, fences keep only what a reader needs, and the index is the menu.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.docs.markdown import FENCE, LINK, ROOT, links, prose

DOCS = ROOT / "docs"
BUILD = ROOT / "build"


def place(file: Path) -> Path:
    """Return where a file of the repository lies among the pages of the site."""
    if file.is_relative_to(DOCS):
        return file.relative_to(DOCS)
    path = str(file.relative_to(ROOT)).lstrip(".")  # hidden files are not copied into a site
    return Path("project", path.lower()) if path.endswith(".md") else Path("sources", f"{path}.txt")


def pages_and_files() -> dict[Path, bytes]:
    """Return the content of the site by its place: docs/, and what it links elsewhere in the repository."""
    found: dict[Path, bytes] = {}
    left = sorted(file for file in DOCS.rglob("*") if file.is_file())
    while left:
        file = left.pop()
        if place(file) in found:
            continue
        if file.suffix != ".md":
            found[place(file)] = file.read_bytes()
            continue
        found[place(file)] = for_the_site(file).encode()
        left += [linked for link in links(file) if (linked := _linked(file, link.target)) and linked.is_file()]
    return found


def for_the_site(page: Path) -> str:
    """Return a page with its links and fences as the site has them."""
    lines: list[str] = []
    inside = False
    for line in page.read_text().splitlines():
        if fence := FENCE.match(line):
            inside = not inside
            terminal = re.search(r"terminal=(\d)", fence[2])
            lines.append(f'```{fence[1]} title="terminal {terminal[1]}"' if terminal else f"```{fence[1]}")
        elif inside:
            lines.append(line)
        else:
            lines.append(LINK.sub(lambda match: f"[{match[1]}]({_moved(page, match[2])})", line))
    return "\n".join(lines) + "\n"


def menu() -> list[dict[str, Any]]:
    """Return the sections of the index, with the pages that each of them lists."""
    index = DOCS / "index.md"
    sections: dict[str, list[dict[str, str]]] = {}
    for _, line in prose(index):
        if line.startswith("## "):
            sections[line.removeprefix("## ")] = []
        elif line.startswith("- [") and (link := LINK.search(line)):
            sections[list(sections)[-1]].append({link[1].replace("`", ""): _moved(index, link[2])})
    return [{"Home": "index.md"}, *({section: entries} for section, entries in sections.items())]


def write(directory: Path) -> Path:
    """Write the pages into ``directory/docs`` where they differ, and return the file with the settings beside it."""
    found = {directory / "docs" / path: content for path, content in pages_and_files().items()}
    settings = directory / "mkdocs.yml"
    found[settings] = f"{(ROOT / 'mkdocs.yml').read_text()}\nnav: {json.dumps(menu())}\n".encode()
    for file in (directory / "docs").rglob("*"):
        if file.is_file() and file not in found:
            file.unlink()
    for file, content in found.items():
        if not file.exists() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    return settings


def build(settings: Path) -> int:
    """Build the site beside its settings; return 0 unless a link or an anchor leads nowhere."""
    command = [_zensical(), "build", "--strict", "--clean", "--config-file", str(settings)]
    return subprocess.run(command, check=False).returncode


def serve(address: str) -> None:
    """Serve the site, and follow changes of docs/, until Ctrl-C."""
    settings = write(BUILD)
    server = subprocess.Popen([_zensical(), "serve", "--config-file", str(settings), "--dev-addr", address])
    try:
        while server.poll() is None:
            time.sleep(1)
            write(BUILD)
    except KeyboardInterrupt:
        server.wait()


def publish(site: Path, directory: Path, version: str) -> None:
    """Add a built site to a directory of versions; its first page then leads to the newest."""
    shutil.copytree(site, directory / version, dirs_exist_ok=True)
    versions = [path.name for path in directory.iterdir() if (path / "sitemap.xml").exists()]
    versions.sort(key=lambda name: [int(part) for part in re.findall(r"\d+", name)], reverse=True)
    entries = [
        {"version": name, "title": name, "aliases": ["latest"] if name == versions[0] else []} for name in versions
    ]
    (directory / "versions.json").write_text(json.dumps(entries, indent=2) + "\n")
    (directory / "index.html").write_text(
        f'<!doctype html><meta charset="utf-8"><title>signals_app</title>'
        f'<meta http-equiv="refresh" content="0; url={versions[0]}/"><a href="{versions[0]}/">Documentation</a>\n'
    )
    (directory / ".nojekyll").touch()


def _linked(page: Path, target: str) -> Path | None:
    """Return the file that a link leads to, or None for an address or a heading of the page itself."""
    url = urlsplit(target)
    return None if url.scheme or not url.path else (page.parent / url.path).resolve()


def _moved(page: Path, target: str) -> str:
    file = _linked(page, target)
    if file is None:
        return target
    path = os.path.relpath(place(file), place(page).parent)
    fragment = urlsplit(target).fragment
    return f"{path}#{fragment}" if fragment else path


def _zensical() -> str:
    return str(Path(sys.executable).with_name("zensical"))


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.docs.site")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build")
    commands.add_parser("serve").add_argument("--address", default="127.0.0.1:8000")
    publishing = commands.add_parser("publish")
    publishing.add_argument("directory", type=Path)
    publishing.add_argument("version")
    given = parser.parse_args()
    if given.command == "build":
        return build(write(BUILD))
    if given.command == "serve":
        serve(given.address)
    else:
        publish(BUILD / "site", given.directory, given.version)
    return 0


if __name__ == "__main__":
    sys.exit(main())
