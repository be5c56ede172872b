"""Print a result's error against exact depth, beside bicubic's: `python -m examples.compare FOLDER RESULT`."""

import argparse
from pathlib import Path

import numpy as np

from bridgenet_infer.arrays import Array, Mask
from bridgenet_infer.demo.compare import bicubic
from bridgenet_infer.read import read_depth


def errors(prediction: Array, exact: Array, mask: Mask) -> tuple[float, float]:
    """Mean absolute difference and root mean square error over the mask, in the unit of the depth."""
    difference = prediction[mask].astype(np.float64) - exact[mask]
    return float(np.abs(difference).mean()), float(np.sqrt((difference**2).mean()))


def main() -> None:
    """Print the two lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("result", type=Path)
    arguments = parser.parse_args()
    exact, lr_depth = (read_depth(arguments.folder / name) for name in ("depth.png", "depth_lr.png"))
    result = read_depth(arguments.result)
    mask = (exact > 0) & (result > 0)
    print(f"error against exact depth over {mask.sum():,} pixels: mean absolute (MAD), root mean square (RMSE)")
    for name, prediction in (("bicubic", bicubic(lr_depth, exact.shape)), ("BridgeNet", result)):
        print("  {:<10} MAD {:7.2f} mm   RMSE {:7.2f} mm".format(name, *errors(prediction, exact, mask)))


if __name__ == "__main__":
    main()
