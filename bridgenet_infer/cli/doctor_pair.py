"""The option --doctor with two files: it shows whether depth lies on its image."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from ..alignment import check_alignment, draw_depth_edges
from ..read import read_depth, read_rgb
from ..write import write_picture

PICTURE = Path("edges.png")


def examine_pair(options: argparse.Namespace) -> bool:
    """Draw the edges of depth on the image and print a sentence; returns whether it is a warning.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read or written, or the picture exists already.
    """
    target = options.output or PICTURE
    if target.suffix.lower() != ".png":
        raise ValueError(f"-o {target}: the name of the picture must end in .png")
    if target.exists() and not options.overwrite:
        raise FileExistsError(f"{target} exists already (--overwrite replaces it)")
    rgb, depth = read_rgb(options.rgb), read_depth(options.depth)
    check = check_alignment(rgb, depth, invalid=options.invalid)
    write_picture(target, draw_depth_edges(rgb, depth, invalid=options.invalid))
    findings = asdict(check) | {"sentence": str(check), "picture": str(target)}
    print(json.dumps(findings, indent=2) if options.json else f"{check}\n{target}: the edges of depth on the image")
    return check.is_strong
