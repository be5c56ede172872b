"""Write tables and figures as Markdown."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A pipe table; ValueError if a row is not as wide as the header."""
    if any(len(cells) != len(header) for cells in rows):
        raise ValueError(f"not every row has the {len(header)} columns of {header}")
    lines = ["|".join(f" {cell} " if cell else " " for cell in cells) for cells in (header, *rows)]
    return "\n".join(f"|{line}|" for line in (lines[0], "|".join(["---"] * len(header)), *lines[1:]))


def slashed(values: Iterable[float], digits: int) -> str:
    """One figure for each scale: "0.47 / 0.74 / 1.65"."""
    return " / ".join(f"{value:.{digits}f}" for value in values)


def short(value: float, digits: int = 2) -> str:
    """Without the zero before the point: ".47"."""
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def code(name: str) -> str:
    """A name in the document's font for code."""
    return f"`{name}`"
