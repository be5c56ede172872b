"""Procedural RGB-D pairs with exact depth: random silhouettes before planes and gentle curves.

A third of what a trained network still gets wrong at x8 lies on the twentieth of the pixels beside something not wider
than an LR pixel (`benchmarks.accuracy.errors` on the validation scenes), hence the many sticks, bars, slits, twigs and
leaves.
"""

import cv2
import numpy as np

from bridgenet_infer.arrays import Array

Rng = np.random.Generator
SILHOUETTES = {"blob": 0.15, "polygon": 0.1, "ellipse": 0.09, "box": 0.12, "ring": 0.1, "grid": 0.07, "sticks": 0.15,
               "bars": 0.1, "twigs": 0.06, "leaves": 0.06}  # fmt: skip


def procedural_pair(seed: int, index: int, size: int) -> tuple[Array, Array]:
    """One pair, the same for the same arguments.

    Returns
    -------
    RGB (size, size, 3) uint8 and depth (size, size) float32 in grey levels 0..255 (larger is nearer).
    """
    rng = np.random.default_rng((seed, index))
    rgb, depth = _background(rng, size)
    for level in np.sort(rng.uniform(depth.mean(), 245, rng.integers(3, 14))):
        mask = _silhouette(rng, size)
        if mask.any():
            _paint(rng, rgb, depth, mask, float(level))
    return _camera(rng, rgb), np.clip(depth, 0, 255)


def _background(rng: Rng, size: int) -> tuple[Array, Array]:
    depth = np.full((size, size), rng.uniform(10, 110), np.float32)
    depth += _slope(rng, size, 60) + rng.uniform(0, 25) * _smooth_noise(rng, size, int(rng.integers(2, 5)))
    if rng.random() < 0.3:  # a room corner: two planes meeting
        depth = np.maximum(depth, rng.uniform(20, 120) + _slope(rng, size, 120))
    return _texture(rng, size, _colour(rng)), np.clip(depth, 0, 200).astype(np.float32)


def _paint(rng: Rng, rgb: Array, depth: Array, mask: Array, level: float) -> None:
    """Put one object of the given depth before what is there; with shadow, tilt or bulge, and texture."""
    size = depth.shape[0]
    surface = level + _slope(rng, size, rng.choice([0, 10, 40]))
    if rng.random() < 0.35:  # rounded: the depth falls off towards the outline
        inside = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
        surface = surface + rng.uniform(2, 20) * np.sqrt(inside / max(float(inside.max()), 1.0))
    if rng.random() < 0.5:
        shift = rng.integers(-6, 7, 2)
        shadow = cv2.GaussianBlur(np.roll(mask, shift, (0, 1)).astype(np.float32), (0, 0), rng.uniform(1, 6))
        rgb *= 1 - rng.uniform(0.1, 0.6) * shadow[..., None]
    inside_mask = mask > 0
    colour = _colour(rng)
    if rng.random() < 0.25:  # low contrast: almost the colour of what lies behind
        colour = rgb[inside_mask].mean(0) + rng.normal(0, 0.03, 3)
    rgb[inside_mask] = _texture(rng, size, colour)[inside_mask]
    depth[inside_mask] = np.clip(surface, 0, 255)[inside_mask]


def _silhouette(rng: Rng, size: int) -> Array:
    """uint8 mask of one object, 1 inside."""
    mask = np.zeros((size, size), np.uint8)
    centre = rng.uniform(0, size, 2)
    radius = size * rng.choice([0.06, 0.12, 0.2, 0.35]) * rng.uniform(0.6, 1.4)
    kind = rng.choice(list(SILHOUETTES), p=list(SILHOUETTES.values()))
    if kind in ("blob", "polygon"):
        corners = int(rng.integers(3, 8)) if kind == "polygon" else 90
        angles = np.sort(rng.uniform(0, 2 * np.pi, corners))
        reach = radius * np.ones(corners)
        for frequency in range(2, 9):
            wobble = rng.normal(0, 0.25 / frequency)
            reach *= 1 + wobble * np.sin(frequency * angles + rng.uniform(0, 2 * np.pi))
        points = centre + reach[:, None] * np.stack((np.cos(angles), np.sin(angles)), 1)
        cv2.fillPoly(mask, [points.round().astype(np.int32)], 1)
    elif kind in ("ellipse", "ring"):
        axes = (radius * rng.uniform(0.3, 1, 2) + 1).astype(int).tolist()
        thickness = -1 if kind == "ellipse" else int(rng.integers(2, max(3, int(radius / 3))))
        cv2.ellipse(mask, centre.astype(int).tolist(), axes, float(rng.uniform(0, 180)), 0, 360, 1, thickness)
    elif kind == "box":
        box = cv2.boxPoints((centre.tolist(), (radius * rng.uniform(0.3, 2, 2)).tolist(), float(rng.uniform(0, 180))))
        cv2.fillPoly(mask, [np.asarray(box).round().astype(np.int32)], 1)
    elif kind == "sticks":
        spread = rng.uniform(4, 50)
        direction = rng.normal(0, 1, 2)
        for _ in range(int(rng.integers(1, 7))):
            a = centre + rng.normal(0, spread, 2)
            b = a + (direction + rng.normal(0, 0.3, 2)) * radius * 2
            cv2.line(mask, a.astype(int).tolist(), b.astype(int).tolist(), 1, int(rng.choice([1, 2, 3, 4, 6, 9])))
    elif kind == "bars":
        _bars(rng, mask, centre, radius)
    elif kind == "twigs":
        for _ in range(int(rng.integers(1, 5))):
            _twig(rng, mask, centre + rng.normal(0, radius / 3, 2), float(rng.uniform(0, 2 * np.pi)), int(radius) + 12)
    elif kind == "leaves":
        for _ in range(int(rng.integers(6, 50))):
            place = (centre + rng.normal(0, radius, 2)).astype(int).tolist()
            axes = rng.integers(2, 11, 2).tolist()
            cv2.ellipse(mask, place, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    else:
        _grid(rng, mask, int(radius))
    return mask


def _bars(rng: Rng, mask: Array, centre: Array, radius: float) -> None:
    """A rack: parallel bars with irregular gaps, or the slits of a plate."""
    angle = rng.uniform(0, np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    slits = rng.random() < 0.35
    if slits:
        half = radius * (along + across), radius * (along - across)
        plate = centre + np.stack((half[0], half[1], -half[0], -half[1]))
        cv2.fillPoly(mask, [plate.round().astype(np.int32)], 1)
    place = -radius
    while place < radius:
        width = int(rng.integers(1, 9))
        middle = centre + place * across
        ends = (middle + sign * radius * rng.uniform(0.6, 0.95) * along for sign in (-1, 1))
        a, b = (end.astype(int).tolist() for end in ends)
        cv2.line(mask, a, b, 0 if slits else 1, width)
        place += width + rng.uniform(3, 18)


def _twig(rng: Rng, mask: Array, start: Array, angle: float, steps: int) -> None:
    """A curved line that branches and gets thinner."""
    width, bend = float(rng.uniform(1.5, 7)), float(rng.normal(0, 0.06))
    for _ in range(steps // 4):
        angle += bend + float(rng.normal(0, 0.08))
        stop = start + 4 * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(mask, start.astype(int).tolist(), stop.astype(int).tolist(), 1, max(int(width), 1))
        start, width = stop, max(width * 0.985, 1.0)
        if steps > 24 and rng.random() < 0.06:
            _twig(rng, mask, start, angle + float(rng.normal(0, 0.8)), steps // 2)


def _grid(rng: Rng, mask: Array, radius: int) -> None:
    """Bars in one or two directions inside a rotated square."""
    size, pitch = mask.shape[0], int(rng.integers(8, 40))
    bar = int(rng.integers(2, max(3, pitch // 2)))
    line = (np.arange(size) % pitch < bar).astype(np.uint8)
    pattern = np.maximum(line[:, None], line[None]) if rng.random() < 0.6 else np.broadcast_to(line, mask.shape)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), float(rng.uniform(0, 90)), 1)
    pattern = cv2.warpAffine(np.ascontiguousarray(pattern), turn, (size, size), flags=cv2.INTER_NEAREST)
    y, x = (int(v) for v in rng.integers(0, size, 2))
    window = (slice(max(y - radius, 0), y + radius), slice(max(x - radius, 0), x + radius))
    mask[window] = pattern[window]


def _slope(rng: Rng, size: int, strength: float) -> Array:
    gx, gy = rng.uniform(-strength, strength, 2)
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    return np.asarray(gy * axis[:, None] + gx * axis[None], np.float32)


def _smooth_noise(rng: Rng, size: int, cells: int) -> Array:
    grid = rng.uniform(-1, 1, (cells + 2, cells + 2)).astype(np.float32)
    return np.asarray(cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC))


def _colour(rng: Rng) -> Array:
    grey = rng.uniform(0.08, 0.9)
    return np.clip(grey + rng.normal(0, 0.15, 3), 0.02, 1)


def _texture(rng: Rng, size: int, colour: Array) -> Array:
    """(size, size, 3) float32 surface: plain, noise, stripes, checks or several octaves, lit by a gradient."""
    kind = rng.choice(["plain", "noise", "stripes", "checks", "octaves"], p=[0.3, 0.15, 0.15, 0.12, 0.28])
    pattern: Array = np.zeros((size, size), np.float32)
    if kind == "noise":
        pattern = rng.normal(0, 1, (size, size)).astype(np.float32)
        pattern = cv2.GaussianBlur(pattern, (0, 0), rng.uniform(0.6, 3)) * 2
    elif kind == "octaves":
        for cells in (4, 9, 20, 45, 100):
            pattern = pattern + _smooth_noise(rng, size, cells) * rng.uniform(0, 0.7)
    elif kind in ("stripes", "checks"):
        angle, period = rng.uniform(0, np.pi), rng.uniform(5, 50)
        y, x = np.mgrid[:size, :size].astype(np.float32)
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        pattern = np.sign(np.sin(2 * np.pi * u / period)) * (
            1 if kind == "stripes" else np.sign(np.sin(2 * np.pi * v / period))
        )
    tint = rng.normal(0, 0.2, 3) * rng.uniform(0.2, 1)
    surface = colour + pattern[..., None] * tint
    return np.asarray(surface * (1 + _slope(rng, size, 0.6))[..., None], np.float32)


def _camera(rng: Rng, rgb: Array) -> Array:
    """Lens blur, exposure curve and sensor noise -> uint8."""
    rgb = cv2.GaussianBlur(np.clip(rgb, 0, 1), (0, 0), rng.uniform(0.5, 1.4))
    rgb = np.clip(rgb, 0, 1) ** rng.uniform(0.7, 1.4)
    rgb = rgb + rng.normal(0, rng.uniform(0, 0.015), rgb.shape)
    return np.asarray(np.clip(rgb * 255 + 0.5, 0, 255), np.uint8)
