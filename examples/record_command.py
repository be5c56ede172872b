"""Record the command at work in a terminal: `python -m examples.record_command [--out docs/command.txt]`.

Runs on a pseudo-terminal, in a temporary folder with copies of the examples; one LR depth file is cut short. Of the
progress bar the last state is kept, as a terminal shows it; everything else is as it came out.
"""

import argparse
import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

from bridgenet_infer.files import write_atomically
from examples import FOLDER

EXAMPLES = ("desk", "street")
TERMINAL = (40, 100)  # rows, columns


def main() -> None:
    """Record a folder run with one damaged file, its repair and rerun, one pair, and the doctor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs", "command.txt"))
    target = parser.parse_args().out
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        lay_out(here)
        recorded = [
            show("wc -c rgb/* depth/*", here),
            show('bridgenet-upsample rgb depth -o out --depth-unit mm --preview; echo "exit code $?"', here),
            show("ls out", here),
        ]
        recorded.append("# street.png is copied again, whole this time")
        shutil.copy(FOLDER / "street" / "depth_lr.png", here / "depth" / "street.png")
        recorded += [
            show('bridgenet-upsample rgb depth -o out --depth-unit mm --preview; echo "exit code $?"', here),
            show('bridgenet-upsample rgb/desk.png depth/desk.png -o out/desk.png; echo "exit code $?"', here),
            show("bridgenet-upsample rgb/desk.png depth/desk.png -o desk.npy", here),
            show("bridgenet-upsample --doctor", here),
        ]
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, ("\n\n".join(recorded) + "\n").encode())


def lay_out(here: Path) -> None:
    """rgb/ and depth/ with the example pairs; the depth of the last one is damaged."""
    for kind, file in (("rgb", "rgb.png"), ("depth", "depth_lr.png")):
        (here / kind).mkdir()
        for example in EXAMPLES:
            shutil.copy(FOLDER / example / file, here / kind / f"{example}.png")
    damaged = here / "depth" / f"{EXAMPLES[-1]}.png"
    damaged.write_bytes(damaged.read_bytes()[:2000])


def show(line: str, here: Path) -> str:
    """The prompt with the line, and what a terminal shows after it."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "LC_ALL": "C.UTF-8"}
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", *TERMINAL, 0, 0))
    process = subprocess.Popen(
        ["/bin/sh", "-c", line], cwd=here, env=environment, stdin=subprocess.DEVNULL, stdout=writer, stderr=writer
    )
    os.close(writer)
    raw = bytearray()
    while True:
        try:
            part = os.read(reader, 65536)
        except OSError:  # Linux's way to say that the other side has closed
            break
        if not part:
            break
        raw += part
    os.close(reader)
    process.wait()
    text = raw.decode().replace("\r\n", "\n")
    lines = [shown.rsplit("\r", 1)[-1].rstrip() for shown in text.rstrip("\n").split("\n")]
    return "\n".join([f"$ {line}", *lines]).rstrip()


if __name__ == "__main__":
    main()
