"""Change docstrings for napoleon: "Returns" is prose, names that share a text are told apart, a star is a star."""

import re

SHARED = re.compile(r"^(\w+(?:, \w+)+)\n((?:    [^\n]*(?:\n|\Z))+)", re.MULTILINE)
MARKS = re.compile(r"(`[^`\n]*`)|(?<!\*)\*(?!\*)|\|")
RETURNS = re.compile(r"^Returns\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}\n|\Z)", re.MULTILINE | re.DOTALL)


def readable(docstring: str) -> str:
    """A docstring for napoleon."""
    return prose(apart(MARKS.sub(lambda mark: mark[1] or f"\\{mark[0]}", docstring)))


def apart(docstring: str) -> str:
    """One entry for each name of an entry such as "weights, sha256": their types differ."""
    return SHARED.sub(lambda entry: "".join(f"{n}\n{entry[2].rstrip()}\n" for n in entry[1].split(", ")), docstring)


def prose(docstring: str) -> str:
    """Move what stands under "Returns" to the end of the description: the annotations tell the type already."""
    found = RETURNS.search(docstring)
    if found is None:
        return docstring
    paragraph = f"**Returns:** {found[1].strip()}\n\n"
    rest = docstring[: found.start()] + docstring[found.end() :]
    first = re.search(r"^\S[^\n]*\n-{3,}\n", rest, re.MULTILINE)
    place = first.start() if first else len(rest)
    return f"{rest[:place].rstrip()}\n\n{paragraph}{rest[place:]}".strip()
