"""The site: `make docs` builds it with Sphinx, MyST for the pages, AutoAPI for the reference, and Furo for the looks.

AutoAPI reads sources and imports nothing, so torch stays out. Documents that lie elsewhere in the repository are whole
pages of the site. `site_links.py` turns links between files of the repository into links between pages.
"""

import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from numpy_docstrings import readable
from site_links import turn_links

project = "bridgenet-infer"
html_title = "bridgenet-infer"
copyright = "the bridgenet-infer authors, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.napoleon", "autoapi.extension", "sphinx_copybutton"]
exclude_patterns = ["command.txt"]
default_role = "code"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4  # as the repository's own viewer makes them
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
copybutton_line_continuation_character = "\\"

autoapi_dirs = ["../bridgenet_infer"]
autoapi_root = "modules"
autoapi_add_toctree_entry = False
autoapi_options = ["members", "undoc-members", "special-members", "show-module-summary"]
autoapi_member_order = "bysource"
autoapi_python_class_content = "both"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
suppress_warnings = ["autoapi.python_import_resolution"]  # AutoAPI follows no imports of constants

html_theme = "furo"
html_static_path = ["style.css"]
html_css_files = ["style.css"]
html_show_sourcelink = False
html_copy_source = False


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _source_read)
    app.connect("include-read", _include_read)
    app.connect("autodoc-process-docstring", _docstring, priority=400)  # before napoleon
    app.connect("autoapi-skip-member", _skip)


def _source_read(app: Any, name: str, content: list[str]) -> None:
    if (Path(app.srcdir) / f"{name}.md").exists():
        content[0] = _framed(turn_links(content[0], PurePosixPath("docs") / f"{name}.md"))


def _include_read(app: Any, path: Path, name: str, content: list[str]) -> None:
    source = (Path(app.srcdir) / path).resolve().relative_to(Path(app.srcdir).resolve().parent)
    content[0] = _framed(turn_links(content[0], PurePosixPath(source.as_posix())))


def _framed(text: str) -> str:
    """Tables of figures in a container of their own, for style.css."""
    return re.sub(
        r"^<!-- figures \S+ -->$(.*?)^<!-- end figures -->$", r":::{container} figures\1:::", text, flags=re.M | re.S
    )


def _docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = readable("\n".join(lines)).splitlines()


def _skip(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool:
    last = name.rpartition(".")[2]
    return skip or (last.startswith("__") and last != "__call__")
