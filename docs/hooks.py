"""Parts of files that lie elsewhere in the repository, as parts of pages: each text and figure stays in one place.

A line `<!-- include README.md#weights -->` stands for that section without its heading, `<!-- include CHANGELOG.md -->`
for a file without its title, and a pattern (`folder/*.md`) for all such files, titles kept. Links inside are turned to
where their targets are on the site; links to files that are not on it become plain text.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS = PurePosixPath("docs")
INCLUDE = re.compile(r"^<!-- include ([^\s#]+)(?:#(\S+))? -->$", re.MULTILINE)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)(```+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)


def on_config(config: Any) -> Any:
    """Called by mkdocs at the start: pages that the navigation does not name stand at its end, under "More"."""
    named = set(re.findall(r"[\w./-]+\.md", str(config.nav)))
    rest = sorted(page.name for page in (ROOT / DOCS).glob("*.md") if page.name not in named)
    if rest:
        config.nav.append({"More": rest})
    return config


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Called by mkdocs with the text of each page."""
    return render(markdown, PurePosixPath(page.file.src_uri))


def render(markdown: str, page: PurePosixPath) -> str:
    """A page's Markdown with its includes; ValueError if a file, section or link target does not exist."""
    return INCLUDE.sub(lambda found: _include(found[1], found[2], page), markdown)


def slug(heading: str) -> str:
    """The anchor of a heading."""
    text = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def headings(text: str) -> list[tuple[re.Match[str], str]]:
    """Headings outside of code blocks, and their anchors; repeated ones are numbered."""
    hidden = FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)
    found, seen = [], dict[str, int]()
    for match in HEADING.finditer(hidden):
        name = slug(match[2])
        count = seen[name] = seen.get(name, -1) + 1
        found.append((match, f"{name}-{count}" if count else name))
    return found


def section(text: str, anchor: str | None) -> str:
    """What stands below a heading, up to the next of its level; without an anchor, below the title."""
    found = headings(text)
    for index, (match, name) in enumerate(found):
        if anchor in (None, name):
            above = [later.start() for later, _ in found[index + 1 :] if len(later[1]) <= len(match[1])]
            return text[match.end() : above[0] if above else len(text)].strip()
    raise ValueError(f"no heading #{anchor}")


def _include(pattern: str, anchor: str | None, page: PurePosixPath) -> str:
    paths = [PurePosixPath(path.relative_to(ROOT).as_posix()) for path in sorted(ROOT.glob(pattern))]
    if not paths:
        raise ValueError(f"{page}: nothing to include at {pattern}")
    parts = []
    for path in paths:
        text = (ROOT / path).read_text()
        try:
            part = section(text, anchor)
        except ValueError as error:
            raise ValueError(f"{page}: {path} has {error}") from error
        part = _turn_links(part, path, page)
        if "*" in pattern:
            part = f"## {headings(text)[0][0][2]}\n\n{part}"
        parts.append(part)
    return "\n\n".join(parts)


def _turn_links(text: str, source: PurePosixPath, page: PurePosixPath) -> str:
    """Links relative to `source` -> links relative to `page`."""

    def turn(link: re.Match[str]) -> str:
        bang, label, target = link.groups()
        if re.match(r"[a-z]+:", target):
            return link[0]
        name, _, anchor = target.partition("#")
        path = PurePosixPath(os.path.normpath(source.parent / name)) if name else source
        if not (ROOT / path).exists():
            raise ValueError(f"{source}: {target} does not exist")
        place = _place(path, anchor)
        if place is None:
            return label
        there = os.path.relpath(place.partition("#")[0], page.parent)
        hash_ = "".join(place.partition("#")[1:])
        return f"{bang}[{label}]({there}{hash_})"

    pieces, end = [], 0
    for block in FENCE.finditer(text):
        pieces += [LINK.sub(turn, text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*pieces, LINK.sub(turn, text[end:])])


def _place(path: PurePosixPath, anchor: str) -> str | None:
    """Where a file of the repository, or a section of it, is on the site."""
    if path.is_relative_to(DOCS):
        return str(path.relative_to(DOCS)) + (f"#{anchor}" if anchor else "")
    for page in sorted((ROOT / DOCS).glob("*.md")):
        for found in INCLUDE.finditer(page.read_text()):
            if not path.match(found[1]) or path.parent != PurePosixPath(found[1]).parent:
                continue
            if "*" in found[1]:
                return f"{page.name}#{path.stem}"
            if found[2] == anchor or not anchor:
                return page.name
            part = section((ROOT / path).read_text(), found[2])
            if anchor in [name for _, name in headings(part)]:
                return f"{page.name}#{anchor}"
    return "index.md" if path == PurePosixPath("README.md") and not anchor else None
