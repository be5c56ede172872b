"""Turn links between files of the repository into links between pages of the site.

Pages link to files as they lie in the repository, so that they can be read there. A link to a document that is a page
of the site leads to that page; a link to any other file outside docs/ becomes plain text.
"""

import os
import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
DOCS = PurePosixPath("docs")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)(```+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.MULTILINE)
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "WEIGHTS_LICENSE.md": "weights-licence.md",
    "benchmarks/README.md": "measurements.md",
    "examples/README.md": "examples.md",
    "training/NOTES.md": "training-notes.md",
}
CARDS = PurePosixPath("bridgenet_infer/checkpoints")


def turn_links(text: str, source: PurePosixPath) -> str:
    """Links relative to `source` -> links relative to docs/; ValueError if a target does not exist."""

    def turn(link: re.Match[str]) -> str:
        bang, label, target = link.groups()
        if re.match(r"[a-z]+:", target):
            return link[0]
        name, _, anchor = target.partition("#")
        path = PurePosixPath(os.path.normpath(source.parent / name)) if name else source
        if not (ROOT / path).exists():
            raise ValueError(f"{source}: {target} does not exist")
        page = page_of(path)
        if page is None:
            return label
        place, _, here = page.partition("#")
        return f"{bang}[{label}]({place}{'#' if anchor or here else ''}{anchor or here})"

    pieces, end = [], 0
    for block in FENCE.finditer(text):
        pieces += [LINK.sub(turn, text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*pieces, LINK.sub(turn, text[end:])])


def page_of(path: PurePosixPath) -> str | None:
    """Where a file of the repository is on the site, relative to docs/."""
    if path.is_relative_to(DOCS) and path.suffix != ".py":
        return str(path.relative_to(DOCS))
    if path.parent == CARDS and path.suffix == ".md":
        return f"cards.md#{path.stem}"
    return PAGES.get(str(path))


def slug(heading: str) -> str:
    """The anchor of a heading."""
    text = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def headings(text: str) -> list[str]:
    """Anchors of the headings outside of code blocks; repeated ones are numbered."""
    hidden = FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)
    found, seen = [], dict[str, int]()
    for match in HEADING.finditer(hidden):
        name = slug(match[2])
        count = seen[name] = seen.get(name, -1) + 1
        found.append(f"{name}-{count}" if count else name)
    return found
