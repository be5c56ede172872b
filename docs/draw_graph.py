"""Draw the graph of BridgeNet, docs/graph.svg: `python docs/draw_graph.py`.

Columns are strides, rows the two networks and the bridges between them.
"""

from pathlib import Path

from drawing import CELL, HEIGHT, MARGIN, WIDTH, Box, arrow, box, line, middle, picture, text

COLUMNS = ("stride 1", "stride 2", "stride 4", "stride 8", "stride 8", "stride 4", "stride 2", "stride 1")

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
    "head": Box("up + head", 7, 1.2, "dsr", "the residual"),
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
    parts = [text(MARGIN + column * CELL + WIDTH / 2, 28, label, 15) for column, label in enumerate(COLUMNS)]
    for row, label in ((1.2, "DSRNet"), (2.4, "bridges"), (3.6, "MDENet")):
        x, y = 20, middle(row)
        parts.append(f'<g transform="rotate(-90 {x} {y:g})">{text(x, y + 5, label, 17)}</g>')
    # what the head says is added to D_up
    (x0, y), (x1, _) = BOXES["d_up"].centre, BOXES["d_sr"].centre
    parts.append(line(x0 + WIDTH / 2, y, x1 - WIDTH / 2 - 2, y))
    parts.append(text((x0 + x1) / 2, y - 9, "D_SR = D_up + reach x residual: the network adds what is missing", 15))
    parts += [arrow(BOXES[start], BOXES[end]) for start, end in ARROWS]
    parts += [arrow(BOXES[start], BOXES[end], dashed=True) for start, end in OPTIONAL_ARROWS]
    parts += [box(one) for one in BOXES.values()]
    legend = "dashed: only for D_DE, left out when D_SR is all that is asked for"
    return picture(len(COLUMNS), 5.4, [*parts, text((x0 + x1) / 2, middle(5.4) + HEIGHT / 2 + 4, legend, 15)])


if __name__ == "__main__":
    (Path(__file__).parent / "graph.svg").write_text(draw())
