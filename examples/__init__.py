"""Example pairs rendered by the project, and what one can do with them."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DESK = FOLDER / "desk"
