"""Depth onto the RGB camera's grid, from what ROS knows of both: frame_ids, CameraInfo, static transforms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import Array, Mask
from ..geometry import scale_intrinsics
from ..lens import COUNTS, EQUIDISTANT_COUNT, Lens
from ..pipeline.validate import MAX_SCALE, MIN_SCALE, find_valid
from ..registration import Floats, register_depth
from .messages import to_array
from .transforms import StaticTransforms, bare_frame

MODELS = {"plumb_bob": COUNTS, "rational_polynomial": COUNTS, "equidistant": (EQUIDISTANT_COUNT,)}  # OpenCV's


@dataclass
class Alignment:
    """From a pair of messages to arrays that lie on each other.

    Depth whose frame_id is the RGB image's is taken as it comes, unless the CameraInfos show another view: recorders
    write one frame_id, or none, for several cameras. Other depth is projected into the RGB camera (`register_depth`),
    for which both CameraInfos and the transform between the frames must be known.

    Attributes
    ----------
    scale
        RGB's size over that of the registered depth. "auto" is the ratio of the focal lengths, so that a sample keeps
        about its size, as a whole number from 2 to 16.
    registered
        Depth lies in the RGB camera whatever its frame_id says.
    rgb_topic, depth_topic
        Names of the images' topics. As everywhere in ROS, the word "rect" in the last part means an image without
        distortion, described by P of its CameraInfo; other images are described by K and D.
    extrinsics
        (4, 4) points of the depth camera to the RGB camera, in metres; replaces `transforms`, and depth is registered
        by them whatever its frame_id says.
    infos
        CameraInfo messages of "rgb" and "depth".
    transforms
        What /tf_static says; None if nobody can hear it.
    invalid
        A further value that marks holes; they become holes as REP 118 has them.
    """

    scale: float | str = "auto"
    registered: bool = False
    rgb_topic: str = ""
    depth_topic: str = ""
    extrinsics: Floats | None = None
    infos: dict[str, Any] = field(default_factory=dict)
    transforms: StaticTransforms | None = field(default_factory=StaticTransforms)
    invalid: float | None = None

    def __call__(self, rgb: Any, depth: Any) -> tuple[Array, Array]:
        """RGB and the depth that belongs on it, of two messages.

        Returns
        -------
        (H, W, 3), and (h, w) in the dtype and unit of the message; depth that was registered, or whose holes `invalid`
        marks, has holes as REP 118 has them, 0 in integers (millimetres) and NaN in floats (metres).

        Raises
        ------
        ValueError
            If a message holds no image or depth of another kind than millimetres in 16 bits or metres in floats, or
            depth must be registered and cannot be; says what is missing.
        """
        colours, samples = to_array(rgb), to_array(depth)
        if samples.ndim != 2 or samples.dtype == np.uint8:
            kind = getattr(depth, "encoding", "") or depth.format
            raise ValueError(f"depth must be 16UC1, mono16 or 32FC1, got {kind!r}")
        motion = self.motion(rgb.header.frame_id, depth.header.frame_id)
        if self.invalid is not None:
            samples = _with_holes(samples, find_valid(samples, self.invalid))
        if motion is None:
            return colours, samples
        rgb_matrix, rgb_lens = self.rgb_camera(colours.shape)
        depth_matrix, depth_lens = camera_of(self.infos["depth"], samples.shape, is_rectified(self.depth_topic))
        in_unit = motion.copy()
        in_unit[:3, 3] *= 1000 if samples.dtype.kind in "ui" else 1
        registered = register_depth(
            samples, depth_matrix, rgb_matrix, in_unit, (colours.shape[0], colours.shape[1]),
            self._scale(rgb_matrix[0, 0] / depth_matrix[0, 0]),
            depth_distortion=depth_lens, rgb_distortion=rgb_lens,
        )  # fmt: skip
        if not registered.any() and (np.isfinite(samples) & (samples > 0)).any():
            raise ValueError("no depth sample falls into the RGB image: are the extrinsics those of these cameras?")
        return colours, _with_holes(registered, registered > 0)

    def rgb_camera(self, shape: Sequence[int]) -> tuple[Floats, Lens | None]:
        """`camera_of` RGB images; raises ValueError as well if their CameraInfo is unknown."""
        if "rgb" not in self.infos:
            raise ValueError("the CameraInfo of rgb has not come")
        return camera_of(self.infos["rgb"], shape, is_rectified(self.rgb_topic))

    def motion(self, rgb_frame: str, depth_frame: str) -> Floats | None:
        """(4, 4) points of the depth camera to the RGB camera, in metres; None if depth need not be registered.

        Raises
        ------
        ValueError
            If it must be and something that this needs is unknown.
        """
        if self.registered:
            if self.extrinsics is not None:
                raise ValueError("depth is said to be registered, and extrinsics are given: only one can be meant")
            return None
        alike = bare_frame(rgb_frame) == bare_frame(depth_frame)
        differ = alike and self._views_differ()
        if self.extrinsics is None and alike and not differ and (bare_frame(rgb_frame) or len(self.infos) == 2):
            return None
        missing = [f"the CameraInfo of {kind}" for kind in ("rgb", "depth") if kind not in self.infos]
        motion = self.extrinsics
        if motion is None and not alike and self.transforms is not None:
            motion = self.transforms.between(rgb_frame, depth_frame)
        if motion is None:
            heard = "" if self.transforms is not None else (
                " (/tf_static cannot be heard, because this environment has no tf2_msgs: run the node in a sourced "
                "ROS 2 installation, or set 'extrinsics')"
            )  # fmt: skip
            missing.append("extrinsics" if alike else f"a chain of static transforms between the two frames{heard}")
        if missing or motion is None:
            frames = f"depth is in the frame {depth_frame!r}, RGB in {rgb_frame!r}"
            if alike:
                proof = "their CameraInfos show different views" if differ else "a frame without a name proves nothing"
                frames = f"{frames}, but {proof if self.extrinsics is None else 'extrinsics are given'}"
            raise ValueError(
                f"{frames}, and to register one to the other {' and '.join(missing)} would be needed; if depth lies in "
                "the RGB camera nevertheless, say 'registered' (--registered, or registered:=true)"
            )
        return motion

    def _views_differ(self) -> bool:
        """Whether both CameraInfos are known and the corners of one image lie elsewhere in the other."""
        if len(self.infos) < 2:
            return False
        rgb_view = view_of(self.infos["rgb"], is_rectified(self.rgb_topic))
        depth_view = view_of(self.infos["depth"], is_rectified(self.depth_topic))
        if rgb_view is None or depth_view is None:
            return False
        (rgb, _), (depth, sample) = rgb_view, depth_view
        # drivers that resize leave out the half pixel: a sample more or less is no other view
        return bool((np.abs(rgb - depth) > 1.5 * sample).any())

    def _scale(self, ratio: float) -> float:
        if isinstance(self.scale, str):
            return float(min(max(round(ratio), MIN_SCALE), MAX_SCALE))
        return self.scale


def _with_holes(depth: Array, valid: Mask) -> Array:
    return np.where(valid, depth, depth.dtype.type(np.nan if depth.dtype.kind == "f" else 0))


def camera_of(info: Any, shape: Sequence[int], rectified: bool) -> tuple[Floats, Lens | None]:
    """Camera matrix and lens of an image, from a CameraInfo of ROS 1 or 2.

    Parameters
    ----------
    shape
        (H, W, ...) of the image: where it was resized or binned, the matrix follows.
    rectified
        The image is without distortion: P counts, not K and D.

    Returns
    -------
    (3, 3), and None for an image without distortion.

    Raises
    ------
    ValueError
        If the camera is not calibrated, its lens is of another model than OpenCV's, or its image was cropped.
    """
    frame = info.header.frame_id
    roi = getattr(info, "roi", None)
    if roi is not None and (roi.x_offset or roi.y_offset):
        raise ValueError(f"the CameraInfo of {frame!r} has a region of interest: cropped images are not supported")
    scale = shape[1] / info.width if info.width else 1.0
    if info.height and abs(info.height * scale - shape[0]) > 1:
        raise ValueError(
            f"the CameraInfo of {frame!r} is for {info.width} x {info.height}, the image has {shape[1]} x {shape[0]}"
        )
    matrix = _matrix(info, rectified)
    if not (np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise ValueError(f"the CameraInfo of {frame!r} holds no calibration: focal length {matrix[0, 0]:g}")
    distortion = np.array(_value(info, "d"), np.float64)
    if rectified or not distortion.any():
        return scale_intrinsics(matrix, scale), None
    if len(distortion) not in MODELS.get(info.distortion_model, ()):
        raise ValueError(
            f"the CameraInfo of {frame!r} has {len(distortion)} coefficients of the distortion model "
            f"{info.distortion_model!r}, supported are {' and '.join(MODELS)}: rectify the images"
        )
    return scale_intrinsics(matrix, scale), Lens(distortion, equidistant=info.distortion_model == "equidistant")


def view_of(info: Any, rectified: bool) -> tuple[Floats, Floats] | None:
    """Two opposite corners of the image of a CameraInfo, and a pixel, as x, y on the plane z = 1; None if not known."""
    matrix = _matrix(info, rectified)
    if not (info.width and info.height and np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0):
        return None
    focal, centre = matrix[[0, 1], [0, 1]], matrix[:2, 2]
    corners = np.array([[-0.5, -0.5], [info.width - 0.5, info.height - 0.5]])
    return (corners - centre) / focal, 1 / focal


def _matrix(info: Any, rectified: bool) -> Floats:
    """K, or the left of P where the image is without distortion."""
    projection = np.array(_value(info, "p"), np.float64).reshape(3, 4)[:, :3]
    return projection if rectified and projection.any() else np.array(_value(info, "k"), np.float64).reshape(3, 3)


def is_rectified(topic: str) -> bool:
    """Whether a topic's images are without distortion, by ROS's convention for names (image_rect_color)."""
    return not {"rect", "rectified"}.isdisjoint(image_topic(topic).rpartition("/")[2].split("_"))


def image_topic(topic: str) -> str:
    """The name of a topic without the transport that its images were compressed for."""
    return topic.removesuffix("/compressed").removesuffix("/compressedDepth")


def _value(info: Any, name: str) -> Any:
    """K, D, R and P are lower case in ROS 2."""
    return getattr(info, name) if hasattr(info, name) else getattr(info, name.upper())
