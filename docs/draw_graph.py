"""The graph of BridgeNet as docs/graph.svg: `python docs/draw_graph.py`.

Columns are strides, rows the two networks and the bridges between them; boxes lie on a grid of cells.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path

CELL, ROW, WIDTH, HEIGHT = 146, 84, 124, 52  # pixels: pitch of the grid, size of a box
MARGIN = (48, 48)
COLUMNS = ("stride 1", "stride 2", "stride 4", "stride 8", "stride 8", "stride 4", "stride 2", "stride 1")
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
        return MARGIN[0] + self.column * CELL + WIDTH / 2, MARGIN[1] + self.row * ROW + HEIGHT / 2


BOXES = {
    "d_up": Box("D_up", 0, 0, "end", "LR depth, enlarged"),
    "entry": Box("conv + blocks", 0, 1.2, "dsr"),
    "stage1": Box("pool + blocks", 1, 1.2, "dsr"),
    "stage2": Box("pool + blocks", 2, 1.2, "dsr"),
    "stage3": Box("pool + blocks", 3, 1.2, "dsr"),
    "ha1": Box("HABdg 1", 1, 2.4, "bridge", "high frequencies"),
    "ha2": Box("HABdg 2", 2, 2.4, "bridge"),
    "ha3": Box("HABdg 3", 3, 2.4, "bridge"),
    "trunk": Box("trunk", 4, 1.2, "dsr", "+ two skips"),
    "up1": Box("up + blocks", 5, 1.2, "dsr", "pixel shuffle"),
    "up2": Box("up + blocks", 6, 1.2, "dsr"),
    "head": Box("up + head", 7, 1.2, "dsr"),
    "d_sr": Box("D_SR", 7, 0, "end", "the result"),
    "rgb": Box("RGB", 0, 4.8, "end"),
    "stem": Box("stem", 0, 3.6, "mde"),
    "mde1": Box("stage 1", 1, 3.6, "mde"),
    "mde2": Box("stage 2", 2, 3.6, "mde"),
    "mde3": Box("stage 3", 3, 3.6, "mde"),
    "mde4": Box("stage 4", 3.5, 4.8, "optional", "stride 16"),
    "cliff1": Box("CLIFF 1", 4.45, 3.6, "optional", "pyramid, fusion"),
    "cg1": Box("CGBdg 1", 5.02, 2.4, "optional", "content"),
    "cliff2": Box("CLIFF 2", 5.5, 3.6, "optional"),
    "cg2": Box("CGBdg 2", 6.02, 2.4, "optional"),
    "cliff3": Box("CLIFF 3", 6.55, 3.6, "optional"),
    "d_de": Box("D_DE", 7, 4.8, "end", "estimated depth"),
}
ARROWS = (
    ("d_up", "entry"), ("entry", "stage1"), ("stage1", "ha1"), ("ha1", "stage2"), ("stage2", "ha2"), ("ha2", "stage3"),
    ("stage3", "ha3"), ("ha3", "trunk"), ("trunk", "up1"), ("up1", "up2"), ("up2", "head"), ("head", "d_sr"),
    ("rgb", "stem"), ("stem", "mde1"), ("mde1", "mde2"), ("mde2", "mde3"),
    ("mde1", "ha1"), ("mde2", "ha2"), ("mde3", "ha3"),
)  # fmt: skip
OPTIONAL_ARROWS = (
    ("mde3", "mde4"), ("mde4", "cliff1"), ("mde3", "cliff1"), ("cliff1", "cg1"), ("up1", "cg1"), ("cg1", "cliff2"),
    ("cliff2", "cg2"), ("up2", "cg2"), ("cg2", "cliff3"), ("cliff3", "d_de"),
)  # fmt: skip


def draw() -> str:
    """The whole picture."""
    width = MARGIN[0] * 2 + CELL * (len(COLUMNS) - 1) + WIDTH
    height = MARGIN[1] + ROW * 5.4 + HEIGHT + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" font-family="sans-serif">',
        f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#fafafa"/>',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#455a64"/></marker></defs>',
    ]
    for column, label in enumerate(COLUMNS):
        parts.append(text(MARGIN[0] + column * CELL + WIDTH / 2, 28, label, 15, "#546e7a"))
    for row, label in ((1.2, "DSRNet"), (2.4, "bridges"), (3.6, "MDENet")):
        x, y = 20, MARGIN[1] + row * ROW + HEIGHT / 2
        parts.append(f'<g transform="rotate(-90 {x} {y:g})">{text(x, y + 5, label, 17, "#37474f")}</g>')
    # D_up is added to what the head says
    (x0, y), (x1, _) = BOXES["d_up"].centre, BOXES["d_sr"].centre
    parts.append(line(x0 + WIDTH / 2, y, x1 - WIDTH / 2 - 2, y, dashed=False))
    parts.append(text((x0 + x1) / 2, y - 9, "input skip: the network only adds what is missing", 15, "#546e7a"))
    for start, end in ARROWS:
        parts.append(arrow(BOXES[start], BOXES[end], dashed=False))
    for start, end in OPTIONAL_ARROWS:
        parts.append(arrow(BOXES[start], BOXES[end], dashed=True))
    parts += [box(one) for one in BOXES.values()]
    legend = "dashed: only for D_DE, left out when D_SR is all that is asked for"
    parts.append(text(width / 2, height - 16, legend, 15, "#546e7a"))
    return "\n".join([*parts, "</svg>", ""])


def box(one: Box) -> str:
    """A rounded rectangle with its name."""
    x, y = one.centre
    shape = (
        f'<rect x="{x - WIDTH / 2:g}" y="{y - HEIGHT / 2:g}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="{INK[one.kind]}"/>'
    )
    name = text(x, y - 3 if one.note else y + 6, one.name, 15, "#fff")
    return shape + name + (text(x, y + 16, one.note, 12, "#eceff1") if one.note else "")


def arrow(start: Box, end: Box, *, dashed: bool) -> str:
    """From border to border: up or down where boxes overlap in x, else from right to left side."""
    (x0, y0), (x1, y1) = start.centre, end.centre
    if abs(x1 - x0) < WIDTH:
        way = 1 if y1 > y0 else -1
        return line(x0, y0 + way * HEIGHT / 2, x1, y1 - way * (HEIGHT / 2 + 2), dashed=dashed)
    return line(x0 + WIDTH / 2, y0, x1 - WIDTH / 2 - 2, y1, dashed=dashed)


def line(x0: float, y0: float, x1: float, y1: float, *, dashed: bool) -> str:
    """An arrow between two points."""
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<line x1="{x0:g}" y1="{y0:g}" x2="{x1:g}" y2="{y1:g}" stroke="#455a64" stroke-width="1.6"{dashes} '
        'marker-end="url(#tip)"/>'
    )


def text(x: float, y: float, words: str, size: int, ink: str) -> str:
    """Centred words."""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{ink}" text-anchor="middle">{html.escape(words)}</text>'


if __name__ == "__main__":
    (Path(__file__).parent / "graph.svg").write_text(draw())
