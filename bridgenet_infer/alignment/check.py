"""Find the motion of LR depth at which its edges fit those of the RGB image best, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bridgenet_infer.arrays import Array, Mask

from ..pipeline.validate import check_depth, check_rgb
from .edges import Edges, Size, coarser, correlate, depth_edges, image_edges, zoom_edges

Mirroring = Literal["none", "horizontal", "vertical"]

FINE, COARSE = 640, 160  # cells along the longer side, of the grid for the shift and of that for the poses
REACH = 1 / 8  # of the longer side: the largest shift
ZOOMS = (0.8, 0.84, 0.87, 0.9, 0.93, 0.96, 1.0, 1.04, 1.075, 1.11, 1.15, 1.19, 1.25)
PLAY, PLAY_SAMPLES = 2.0, 0.25  # RGB pixels and LR samples: depth that is off by the larger of both lies well
WORTH = 0.9  # of the fit in another pose, since a plain shift is likelier
ROOM = 16  # cells that refining may go beyond
FAINT = 0.05  # crests that are fainter tell nothing
BLOCKS = 7  # along each side
STRONG, CLEAR = 2.1, 2.5  # standard errors, and deviations of the coarse correlation
SURER = 1.6  # times both for another pose: the best of many fits noise better than one
FEWEST = 12  # LR samples along the shorter side
CROSSWISE = 0.05  # of two aspect ratios
ENOUGH = 30  # frames of one run that are looked at: a look takes as long as a third of a call


@dataclass(frozen=True)
class AlignmentCheck:
    """The motion of depth at which its edges fit the image's best.

    Depth is mirrored, turned or zoomed about the centre of the image, then shifted.

    Attributes
    ----------
    shift
        (dy, dx) in RGB pixels, down and to the right.
    turn
        0, 90, 180 or 270 degrees anticlockwise.
    mirroring
        "none", "horizontal" (left and right change places) or "vertical".
    zoom
        Below 1, depth must shrink: its camera has the narrower field of view.
    evidence
        Standard errors, over the blocks of the image, by which this fits better than depth as it lies: 0 where depth
        fits best as it lies, 7 at most.
    clearness
        The same gain in standard deviations of the fit over all shifts.
    is_strong
        Whether evidence and clearness are worth a warning.
    """

    shift: tuple[float, float]
    turn: int
    mirroring: Mirroring
    zoom: float
    evidence: float
    clearness: float
    is_strong: bool

    @property
    def warning(self) -> str:
        """The sentence if the evidence is strong, else ""."""
        return str(self) if self.is_strong else ""

    def __str__(self) -> str:
        """One sentence for people."""
        if not self.is_strong:
            return "depth and image show no sign of misalignment"
        if self.turn:
            return f"depth fits the image when it is turned by {self.turn} degrees anticlockwise"
        if self.mirroring != "none":
            sides = "left and right" if self.mirroring == "horizontal" else "top and bottom"
            return f"depth fits the image when {sides} change places"
        (dy, dx), zoom = self.shift, "" if self.zoom == 1 else f"scaled by about {self.zoom:g} and "
        down, right = ("up" if dy < 0 else "down"), ("left" if dx < 0 else "right")
        return f"depth fits the image when it is {zoom}moved {abs(dy):.1f} pixels {down} and {abs(dx):.1f} {right}"


@dataclass(frozen=True)
class _Pose:
    turn: int = 0
    mirroring: Mirroring = "none"
    zoom: float = 1.0

    def apply(self, edges: Edges) -> Edges:
        """Edges of depth in this pose; directions move along."""
        if self.mirroring != "none":
            return np.conj(edges[:, ::-1] if self.mirroring == "horizontal" else edges[::-1])
        if self.turn:
            turned = np.rot90(edges, self.turn // 90)
            return turned if self.turn == 180 else -turned
        return edges if self.zoom == 1 else zoom_edges(edges, self.zoom)


AS_IT_LIES = _Pose()


def check_alignment(rgb: Any, lr_depth: Any, *, invalid: float | None = None) -> AlignmentCheck:
    """Compare the edges of depth with those of its image, as depth lies and as it would lie otherwise.

    Correlation on a coarse grid finds the pose and the shift, the crests of the depth's edges on a fine grid refine the
    shift. Evidence is strong if most parts of the image agree.

    Parameters
    ----------
    rgb
        (H, W, 3) of any kind that `DepthUpsampler` accepts.
    lr_depth
        (h, w) of any kind that `DepthUpsampler` accepts, of any size; holes say nothing.
    invalid
        One more value that marks holes.

    Raises
    ------
    ValueError, TypeError
        If an input is not accepted, or is a batch.
    """
    depth = check_depth(lr_depth, invalid)
    if depth.batched:
        raise ValueError(f"lr_depth must be one frame (h, w), got shape {depth.raw.shape}")
    image = np.asarray(check_rgb(rgb, 1, False))[0]
    return _compare(image, depth.raw[0], depth.valid[0])


def _compare(image: Array, depth: Array, valid: Mask) -> AlignmentCheck:
    size = image.shape[0], image.shape[1]
    fine = _grid(size, FINE)
    coarse = _grid(size, COARSE)
    of_image = image_edges(image, fine)
    image_summary = coarser(of_image, coarse)
    framed = _Framed.around(of_image)
    pixel = size[0] / fine[0]  # RGB pixels per cell of the fine grid
    play = max(PLAY, PLAY_SAMPLES * size[0] / depth.shape[0]) / pixel
    lying = depth_edges(depth, valid, fine)
    summary = coarser(lying, coarse)
    reach = round(REACH * max(coarse))
    per_coarse = fine[0] / coarse[0]

    own = _Fit(framed, lying, AS_IT_LIES).refine((0.0, 0.0), play)
    candidates, spread = [], 0.0
    for pose in _poses(size, (depth.shape[0], depth.shape[1])):
        across = pose.turn in (90, 270)
        edges = depth_edges(depth, valid, fine[::-1]) if across else lying
        fit = correlate(image_summary, pose.apply(coarser(edges, coarse[::-1]) if across else summary), reach)
        place = np.unravel_index(fit.argmax(), fit.shape)
        candidates.append((float(fit.max()), pose, edges, [(int(k) - reach) * per_coarse for k in place]))
        spread = max(spread, float(fit.std()))
    chosen = [candidates[0], max(candidates[1:], key=lambda each: each[0])]
    found = [_Fit(framed, edges, pose).refine((dy, dx), per_coarse + 1) for _, pose, edges, (dy, dx) in chosen]
    best = max([own, *found], key=lambda each: each.score * (1 if each.pose == AS_IT_LIES else WORTH))
    gains = best.by_block - own.by_block
    evidence = float(gains.sum() / max(np.linalg.norm(gains), 1e-9))
    clearness = (best.score - own.score) / max(per_coarse**2 * spread, 1e-9)
    surer = 1 if best.pose == AS_IT_LIES else SURER
    return AlignmentCheck(
        (float(best.shift[0] * pixel), float(best.shift[1] * pixel)),
        best.pose.turn, best.pose.mirroring, best.pose.zoom, evidence, float(clearness),
        evidence > surer * STRONG and clearness > surer * CLEAR and min(depth.shape) >= FEWEST,
    )  # fmt: skip


def summarise_warnings(warnings: Sequence[str]) -> str:
    """One sentence for many frames: a middle one of their warnings if more than half have one, else ""."""
    strong = [each for each in warnings if each]
    if 2 * len(strong) <= len(warnings):
        return ""
    frames = f" (as in {len(strong)} of {len(warnings)} frames)" if len(warnings) > 1 else ""
    return f"{strong[len(strong) // 2]}{frames}: is it registered?"


@dataclass(frozen=True)
class _Framed:
    """The image's edges on the fine grid, with room around them for every shift of depth."""

    edges: Edges
    size: Size
    room: int

    @classmethod
    def around(cls, edges: Edges) -> _Framed:
        """`edges` of (H, W) in a frame of zeros."""
        room = round(REACH * max(edges.shape)) + ROOM
        return cls(np.pad(edges, room), (edges.shape[0], edges.shape[1]), room)


class _Fit:
    """The crests of depth in one pose, and how well they fit the image's edges on the fine grid after a shift."""

    def __init__(self, of_image: _Framed, of_depth: Edges, pose: _Pose) -> None:
        self.pose, self.of_image = pose, of_image.edges.ravel()
        posed = of_depth if pose.zoom != 1 else pose.apply(of_depth)
        rows, columns = np.nonzero(np.abs(posed) > FAINT)
        middle = (np.array(of_image.size) - 1) / 2
        places = (np.stack((rows, columns), -1) - middle) * pose.zoom + middle
        inside = ((places > -0.5) & (places < np.array(of_image.size) - 0.5)).all(1)
        self.edges, places = np.conj(posed[rows, columns])[inside], places[inside]
        cells = np.clip(places * BLOCKS // of_image.size, 0, BLOCKS - 1).astype(np.int64)
        self.block = cells[:, 0] * BLOCKS + cells[:, 1]
        self.width = of_image.edges.shape[1]
        self.index = (np.rint(places).astype(np.int64) + of_image.room) @ np.array([self.width, 1])

    def refine(self, start: tuple[float, float], radius: float) -> _Fit:
        """Settle on the best shift (rows, columns) within a radius of a start."""
        side, start = int(radius), (round(start[0]), round(start[1]))  # of whole cells, as products are
        steps = np.arange(-side, side + 1)
        scores = np.array(
            [[(self._met(start[0] + dy, start[1] + dx) @ self.edges).real for dx in steps] for dy in steps]
        )
        scores[np.hypot(*np.meshgrid(steps, steps)) > max(radius, 1)] = -np.inf
        row, column = np.unravel_index(scores.argmax(), scores.shape)
        self.score = float(scores.max())
        whole = start[0] + int(steps[row]), start[1] + int(steps[column])
        self.by_block = np.bincount(self.block, (self._met(*whole) * self.edges).real, BLOCKS**2)
        self.shift = whole[0] + _vertex(scores[:, column], int(row)), whole[1] + _vertex(scores[row], int(column))
        return self

    def _met(self, dy: int, dx: int) -> Edges:
        """The image's edges where the crests lie after a shift."""
        met: Edges = self.of_image[self.index + (dy * self.width + dx)]
        return met


def _vertex(scores: Array, place: int) -> float:
    """Of the parabola through three scores, relative to the middle one; 0 at the ends."""
    if not 0 < place < len(scores) - 1:
        return 0.0
    before, here, after = scores[place - 1 : place + 2]
    bend = before - 2 * here + after
    return float((before - after) / (2 * bend)) if np.isfinite(bend) and bend < 0 else 0.0


def _grid(size: Size, longest: float) -> Size:
    shrink = min(1, longest / max(size))
    return max(round(size[0] * shrink), 1), max(round(size[1] * shrink), 1)


def _poses(size: Size, lr_size: Size) -> list[_Pose]:
    """Those that the shapes allow, first depth as it lies."""
    turned = abs(np.log(size[0] * lr_size[0] / size[1] / lr_size[1])) < CROSSWISE
    straight = [*(_Pose(zoom=zoom) for zoom in ZOOMS if zoom != 1), _Pose(180), _Pose(0, "horizontal"),
                _Pose(0, "vertical")]  # fmt: skip
    return [AS_IT_LIES, *straight, *([_Pose(90), _Pose(270)] if turned else [])]
