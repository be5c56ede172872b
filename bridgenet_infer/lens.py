"""Lenses: points on the plane z = 1 and their places in an image of focal length 1, there and back."""

import cv2
import numpy as np
import numpy.typing as npt

from bridgenet_infer.arrays import Array

Floats = npt.NDArray[np.float64]
COUNTS = (4, 5, 8, 12, 14)  # of OpenCV's coefficients
EQUIDISTANT_COUNT = 4
WIDEST = np.radians(89)  # to the axis: the plane z = 1 knows no more
STEP, RESIDUAL, ROUNDS = 1e-6, 1e-7, 20  # at focal length 1: a ten-thousandth of a pixel at 1000


class Lens:
    """A lens with distortion, as far from its axis as its model can be inverted.

    Polynomials turn round somewhere beyond the image that they were fitted to, and two directions fall onto one pixel
    from there on. Neither way leads there: such points become NaN.

    Parameters
    ----------
    coefficients
        OpenCV's: 4, 5, 8, 12 or 14 of its pinhole model, or 4 of its fisheye model.
    equidistant
        Whether they are of the fisheye model.

    Attributes
    ----------
    reach, edge
        The radius on the plane up to which the model is monotonic, and its radius in the image.

    Raises
    ------
    ValueError
        If their number is another, or one is not finite.
    """

    def __init__(self, coefficients: Array, equidistant: bool = False) -> None:
        self.coefficients = np.array(coefficients, np.float64).ravel()
        self.equidistant = equidistant
        allowed = (EQUIDISTANT_COUNT,) if equidistant else COUNTS
        if len(self.coefficients) not in allowed or not np.isfinite(self.coefficients).all():
            raise ValueError(
                f"a lens must have {' or '.join(map(str, allowed))} finite coefficients, "
                f"got {self.coefficients.tolist()}"
            )
        radii = np.tan(np.linspace(0, WIDEST, 4000))
        images = self._radial(radii)
        rising = np.isfinite(images[1:]) & (np.diff(images) > 0)
        count = len(radii) if rising.all() else int(np.argmin(rising)) + 1
        self._radii, self._images = radii[:count], images[:count]
        self.reach, self.edge = float(self._radii[-1]), float(self._images[-1])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lens) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[bytes, bool]:
        return self.coefficients.tobytes(), self.equidistant

    def distort(self, points: Floats) -> Floats:
        """(n, 2) of the plane -> (n, 2) in the image; NaN beyond the reach."""
        inside = np.hypot(*points.T) <= self.reach
        placed: Floats = np.where(inside[:, None], self._place(np.where(inside[:, None], points, 0)), np.nan)
        return placed

    def undistort(self, places: Floats) -> Floats:
        """(n, 2) in the image -> (n, 2) of the plane, by Newton's method; NaN where no direction leads to a place."""
        radius = np.hypot(*places.T)
        inside = np.flatnonzero(radius <= self.edge * (1 + STEP))
        found = np.full(places.shape, np.nan)
        target, radius = places[inside], radius[inside, None]
        stretch = np.interp(radius, self._images, self._radii) / np.where(radius > 0, radius, 1)
        points = target * np.where(radius > 0, stretch, 1)
        for _ in range(ROUNDS):
            error, move, _ = self._newton(points, target)
            if (error < RESIDUAL * STEP).all():
                break
            points = points - move
        error, _, turning = self._newton(points, target)
        good = (error < RESIDUAL) & (turning > 0) & (np.hypot(*points.T) <= self.reach)
        found[inside[good]] = points[good]
        return found

    def _newton(self, points: Floats, target: Floats) -> tuple[Floats, Floats, Floats]:
        """(n,) distances to the targets, (n, 2) steps towards them, (n,) determinants of the Jacobian."""
        placed = self._place(points)
        error = placed - target
        across, down = ((self._place(points + step) - placed) / STEP for step in ((STEP, 0), (0, STEP)))
        turning = across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0]
        move = np.stack((down[:, 1] * error[:, 0] - down[:, 0] * error[:, 1],
                         across[:, 0] * error[:, 1] - across[:, 1] * error[:, 0]), 1)  # fmt: skip
        with np.errstate(divide="ignore", invalid="ignore"):
            move = np.nan_to_num(move / turning[:, None], nan=0, posinf=0, neginf=0)
        return np.abs(error).max(1, initial=0), move, turning

    def _place(self, points: Floats) -> Floats:
        if self.equidistant:
            radius = np.hypot(*points.T)[:, None]
            return points * np.where(radius > 0, self._radial(radius) / np.where(radius > 0, radius, 1), 1)
        if not len(points):
            return points
        solid = np.column_stack((points, np.ones(len(points)))).reshape(-1, 1, 3)
        placed, _ = cv2.projectPoints(solid, np.zeros(3), np.zeros(3), np.eye(3), self.coefficients)
        return np.asarray(placed, np.float64).reshape(-1, 2)

    def _radial(self, radius: Floats) -> Floats:
        """The radius in the image of a radius on the plane, without what is not symmetrical about the axis."""
        if self.equidistant:
            angle = np.arctan(radius)
            return np.asarray(angle * _polynomial(angle**2, self.coefficients))
        k = np.zeros(8)
        k[: min(len(self.coefficients), 8)] = self.coefficients[:8]
        over, under = _polynomial(radius**2, k[[0, 1, 4]]), _polynomial(radius**2, k[5:8])
        return np.asarray(np.where(under > 0, radius * over / np.where(under > 0, under, 1), np.nan))


def as_lens(distortion: Array | Lens | None) -> Lens | None:
    """OpenCV's coefficients as a lens, a lens as it is; ValueError as of `Lens`."""
    return distortion if distortion is None or isinstance(distortion, Lens) else Lens(distortion)


def _polynomial(x: Floats, coefficients: Floats) -> Floats:
    """1 + c0 x + c1 x^2 + ..."""
    return np.asarray(1 + sum(c * x ** (power + 1) for power, c in enumerate(coefficients)))
