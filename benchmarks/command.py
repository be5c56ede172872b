"""The options that every benchmark and every campaign has."""

import argparse
from pathlib import Path


def command_line(description: str | None, out: str, weights: str | list[str] | None = None) -> argparse.ArgumentParser:
    """A parser with `--out`, a folder below out/, and with `--weights` if these have a default.

    Parameters
    ----------
    description
        The docstring of the module, which --help shows as it stands.
    weights
        A list takes several weights, a string takes one.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out", out), help=f"folder of the results (out/{out})")
    if weights is not None:
        several, words = ("+", " ".join(weights)) if isinstance(weights, list) else (None, weights)
        text = f"names of the manifest, .safetensors files or folders ({words})"
        parser.add_argument("--weights", nargs=several, default=weights, help=text)
    return parser
