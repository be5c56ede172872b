"""Convert depth between metres and millimetres where a format holds only one of them (REP 118)."""

from typing import Any

import numpy as np

from bridgenet_infer.arrays import Array, Mask

from ..write import can_hold

LIKELY = (0.02, 300)  # metres: the median of a scene


def target_dtype(dtype: np.dtype[Any], suffix: str, per_metre: float | None) -> np.dtype[Any]:
    """The dtype in which depth of `dtype` is written: its own, or that of metres or millimetres.

    Without a known unit nothing is converted.
    """
    if per_metre is not None and not can_hold(suffix, dtype):
        for other in (np.dtype(np.float32), np.dtype(np.uint16)):
            if can_hold(suffix, other):
                return other
    return dtype


def unit_of(dtype: np.dtype[Any], received: np.dtype[Any], per_metre: float) -> str:
    """The unit of depth that is written as `dtype` where the input had `received`."""
    if dtype != received:
        return "m" if dtype == np.float32 else "mm"
    return {1.0: "m", 1000.0: "mm"}.get(per_metre, f"1/{per_metre:g} m")


def question_unit(known: Array, per_metre: float) -> str:
    """A doubt about the unit of measured depth (n,), where its median is far from what cameras see; "" if none."""
    if known.size == 0:
        return ""
    metres = float(np.median(known)) / per_metre
    if LIKELY[0] <= metres <= LIKELY[1]:
        return ""
    return f"{per_metre:g} steps per metre put depth at about {10.0 ** round(np.log10(metres)):g} m"


def check_reach(most: float, received: np.dtype[Any], dtype: np.dtype[Any], per_metre: float) -> None:
    """Whether `dtype` holds the largest depth after its conversion; to be asked before any work is done.

    Raises
    ------
    ValueError
        If it reaches beyond 65.535 m and millimetres are asked for.
    """
    metres = float(most) / per_metre
    if dtype != received and dtype == np.uint16 and metres * 1000 + 0.5 >= 2**16:
        raise ValueError(
            f"depth reaches {metres:.1f} m, and uint16 millimetres end at 65.535 m; write .npy, .tif or .pfm"
        )


def error_factor(dtype: np.dtype[Any], received: np.dtype[Any], per_metre: float | None) -> float:
    """From the unit of depth that came as `received` to that of depth that is written as `dtype`."""
    if per_metre is None or dtype == received:
        return 1.0
    return (1 if dtype == np.float32 else 1000) / per_metre


def convert(depth: Array, valid: Mask, dtype: np.dtype[Any], per_metre: float) -> Array:
    """Depth (H, W) in 1 / `per_metre` metres -> float32 metres with NaN holes, or uint16 millimetres with 0.

    Raises
    ------
    ValueError
        If it reaches beyond 65.535 m and millimetres are asked for.
    """
    metres = depth.astype(np.float64) / per_metre
    if dtype == np.float32:
        return np.where(valid, metres, np.nan).astype(np.float32)
    if valid.any():
        check_reach(depth[valid].max(), depth.dtype, dtype, per_metre)
    return np.where(valid, np.maximum(np.floor(metres * 1000 + 0.5), 1), 0).astype(np.uint16)
