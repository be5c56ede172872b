"""Draw boxes on a grid, and arrows between them, as SVG. The drawings of this folder consist of these."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

CELL, ROW, WIDTH, HEIGHT = 146, 84, 124, 52  # pixels: pitch of the grid, size of a box
MARGIN = 48
GREY, LINES = "#546e7a", "#455a64"
INK = {"dsr": "#3949ab", "mde": "#00796b", "bridge": "#d84315", "end": "#37474f", "optional": "#4f746d"}


@dataclass(frozen=True)
class Box:
    """One block: name, cell (column, row), kind and a second, smaller line."""

    name: str
    column: float
    row: float
    kind: str
    note: str = ""

    @property
    def centre(self) -> tuple[float, float]:
        """Pixels."""
        return MARGIN + self.column * CELL + WIDTH / 2, middle(self.row)


def middle(row: float) -> float:
    """The y of a row's boxes."""
    return MARGIN + row * ROW + HEIGHT / 2


def picture(columns: int, rows: float, parts: Sequence[str]) -> str:
    """The whole SVG document."""
    width = MARGIN * 2 + CELL * (columns - 1) + WIDTH
    height = MARGIN + ROW * rows + HEIGHT + 20
    start = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif">',
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#fafafa"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 8 4 0 8z" fill="{LINES}"/></marker></defs>',
    ]
    return "\n".join([*start, *parts, "</svg>", ""])


def box(one: Box) -> str:
    """A rounded rectangle with its name."""
    x, y = one.centre
    shape = (
        f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="{INK[one.kind]}"/>'
    )
    name = text(x, y - 3 if one.note else y + 6, one.name, 15, "#fff")
    return shape + name + (text(x, y + 16, one.note, 12, "#eceff1") if one.note else "")


def arrow(start: Box, end: Box, *, dashed: bool = False) -> str:
    """From border to border: up or down where boxes overlap in x, else from right to left side."""
    (x0, y0), (x1, y1) = start.centre, end.centre
    if abs(x1 - x0) < WIDTH:
        way = 1 if y1 > y0 else -1
        return line(x0, y0 + way * HEIGHT / 2, x1, y1 - way * (HEIGHT / 2 + 2), dashed=dashed)
    return line(x0 + WIDTH / 2, y0, x1 - WIDTH / 2 - 2, y1, dashed=dashed)


def line(x0: float, y0: float, x1: float, y1: float, *, dashed: bool = False) -> str:
    """An arrow between two points."""
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<line x1="{x0:g}" y1="{y0:g}" x2="{x1:g}" y2="{y1:g}" stroke="{LINES}" stroke-width="1.6"{dashes} '
        'marker-end="url(#tip)"/>'
    )


def text(x: float, y: float, words: str, size: int, ink: str = GREY) -> str:
    """Centred words."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{ink}" text-anchor="middle">{html.escape(words)}</text>'
