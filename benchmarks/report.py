"""Results of benchmarks, as text tables and as JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bridgenet_infer.files import write_atomically

if TYPE_CHECKING:
    from bridgenet_infer import DepthUpsampler


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned: the first to the left, the others to the right; a rule below the header."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["  ".join(_pad(cells, widths)) for cells in (header, *rows)]
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(line.rstrip() for line in lines)


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write indented JSON so that `path` never holds half a file; OSError if it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def write_result(path: Path, content: Mapping[str, object], upsamplers: Iterable[DepthUpsampler] = ()) -> None:
    """`write_json` of a benchmark's figures, and the sha256 of every checkpoint that they were measured with."""
    write_json(path, {"sha256": {upsampler.name: upsampler.sha256 for upsampler in upsamplers}, **content})


def _pad(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
