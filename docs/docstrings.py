"""Docstrings as mkdocstrings wants them: "Returns" is prose, and names that share a text are told apart."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension

SHARED = re.compile(r"^(\w+(?:, \w+)+)\n((?:    [^\n]*(?:\n|\Z))+)", re.MULTILINE)
RETURNS = re.compile(r"^Returns\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)


class Prose(Extension):  # type: ignore[misc]  # griffe is installed with the docs extra only
    """NumPy's style wants a type first in "Returns", which the annotations tell already."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Called by griffe with every module, class, function and attribute."""
        if not obj.is_alias and obj.docstring is not None:
            obj.docstring.value = prose(apart(obj.docstring.value))


def apart(docstring: str) -> str:
    """One entry for each name of an entry such as "weights, sha256": their types differ."""
    return SHARED.sub(lambda entry: "".join(f"{n}\n{entry[2].rstrip()}\n" for n in entry[1].split(", ")), docstring)


def prose(docstring: str) -> str:
    """Move what stands under "Returns" to the end of the description, before the sections."""
    found = RETURNS.search(docstring)
    if found is None:
        return docstring
    paragraph = f"**Returns:** {found[1].strip()}\n\n"
    rest = docstring[: found.start()] + docstring[found.end() :]
    first = re.search(r"^\S[^\n]*\n-{3,}\n", rest, re.MULTILINE)
    place = first.start() if first else len(rest)
    return f"{rest[:place].rstrip()}\n\n{paragraph}{rest[place:]}".strip()
