"""The files that the page fetches: `python -m web.files FOLDER`. They stand beside the program that build.mjs packs."""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bridgenet_infer import DepthUpsampler
from bridgenet_infer.demo.scenes import SCENES, scene_folder
from bridgenet_infer.export import Form, export, scales_of
from bridgenet_infer.visualise import DEPTH_COLOURS, HOLE

RUNTIME = "runtime.bin"


def write_files(folder: Path) -> None:
    """Write models, colours and examples; the list of them is facts.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in SCENES:
        shutil.copytree(scene_folder() / name, folder / name, dirs_exist_ok=True)
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[None], DEPTH_COLOURS)[0, :, ::-1]
    facts = {
        "models": write_models(folder),
        "runtime": {"file": RUNTIME, "bytes": (folder / RUNTIME).stat().st_size},
        "colours": {"table": table.tolist(), "hole": HOLE},
    }
    (folder / "facts.json").write_text(json.dumps(facts))


def write_models(folder: Path) -> list[dict[str, Any]]:
    """The whole job of each of the default's networks as one file, its weights in 16 bits to halve the transfer."""
    upsampler = DepthUpsampler.from_pretrained(device="cpu")
    models = []
    for scale in scales_of(upsampler):
        path = folder / f"x{scale:g}.onnx"
        export(upsampler, path, "onnx", scale, Form(half=True))
        about = {"weights": upsampler.name, "sha256": upsampler.sha256}
        models.append({"scale": scale, "file": path.name, "bytes": path.stat().st_size, **about})
    return models


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m web.files", description="Make the files of the page.")
    parser.add_argument("folder", type=Path, help="the folder that node build.mjs has filled")
    write_files(parser.parse_args().folder)
