"""The camera of a frame: its matrix for the size of an image, checked and written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bridgenet_infer.arrays import Array

from ..geometry import intrinsic_matrix, scale_intrinsics


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: its matrix (3, 3) in pixels of an image of `size`, (H, W); None: of whatever image it has."""

    matrix: Array
    size: tuple[int, int] | None

    def fitted(self, size: tuple[int, int]) -> Camera:
        """The same camera for an image (H, W).

        Raises
        ------
        ValueError
            If its own image has another shape, or its principal point lies outside: one of the two was turned or cut.
        """
        matrix, (height, width) = self.matrix, size
        if self.size is not None:
            scale = width / self.size[1]
            if abs(self.size[0] * scale - height) >= 1:
                own = f"{self.size[1]} x {self.size[0]}"
                raise ValueError(f"the camera is for an image of {own}, which is no {width} x {height} of another size")
            matrix = scale_intrinsics(matrix, scale)
        cx, cy = matrix[:2, 2]
        if not (0 <= cx < width and 0 <= cy < height):
            raise ValueError(f"the principal point {cx:.1f}, {cy:.1f} lies outside the image of {width} x {height}")
        return Camera(matrix, size)

    def as_json(self) -> bytes:
        """Its size and the numbers of its matrix, pixel centres at whole numbers; the size has to be known."""
        assert self.size is not None
        (fx, _, cx), (_, fy, cy) = self.matrix[:2].tolist()
        height, width = self.size
        document = {"width": width, "height": height, "fx": fx, "fy": fy, "cx": cx, "cy": cy}
        return json.dumps(document, indent=2).encode() + b"\n"


def pinhole(numbers: Sequence[Any], size: Sequence[Any] | None = None) -> Camera:
    """A camera of fx, fy, cx, cy and the (H, W) that a file tells.

    Raises
    ------
    ValueError
        If these are no numbers of a camera: finite, focal lengths and sizes positive, sizes whole.
    """
    try:
        fx, fy, cx, cy = (float(number) for number in numbers)
        sides = None if size is None else (int(size[0]), int(size[1]))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"no numbers of a camera: {error}") from error
    if not np.isfinite([fx, fy, cx, cy]).all() or min(fx, fy, *(sides or ())) <= 0:
        raise ValueError(f"no camera has focal lengths of {fx}, {fy}, its centre at {cx}, {cy} and the size {sides}")
    return Camera(intrinsic_matrix(fx, fy, cx, cy), sides)


def parse_object(text: bytes) -> dict[str, Any]:
    """A JSON object; ValueError if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"JSON of {type(found).__name__}, not of an object")
    return found
