"""The module lists of ARCHITECTURE.md, from the first sentence of each module: `python docs/list_modules.py`.

What stands between `<!-- modules FOLDER -->` and `<!-- end modules -->` is replaced by the modules of that folder.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- modules (\S+) -->\n).*?(<!-- end modules -->)", re.DOTALL)


def fill(text: str) -> str:
    """The text with its lists made anew."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{_rows(ROOT / block[2])}\n\n{block[3]}", text)


def _rows(folder: Path) -> str:
    files = sorted(folder.glob("*.py"), key=lambda path: (path.name != "__init__.py", path.name))
    rows = [f"| `{path.name}` | {_job(path)} |" for path in files if path.name != "__main__.py"]
    return "\n".join(["| | |", "|---|---|", *rows])


def _job(path: Path) -> str:
    """The first paragraph of a module's docstring up to its first full stop."""
    paragraph = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0].split())
    return re.split(r"(?<=[\w)`\"])\.(?= [A-Z]|$)", paragraph)[0].replace("|", "\\|").rstrip(":.")


if __name__ == "__main__":
    document = ROOT / "ARCHITECTURE.md"
    document.write_text(fill(document.read_text()))
