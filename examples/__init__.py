"""Example pairs that the project has rendered, and programs that use them."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
DESK = FOLDER / "desk"
