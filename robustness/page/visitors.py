"""Start the demo as its users do, and ask it for runs as visitors without a browser."""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testing import ROOT

PATIENCE = 300  # seconds; a loaded machine is slow
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
FEWER_KEPT = """import runpy, bridgenet_infer.demo.tidy as tidy
tidy.KEPT_BYTES = {}
runpy.run_module({!r}, None, {!r})"""


@dataclass(frozen=True)
class Server:
    """A running demo: its address without a slash, its process, its own temporary folder, and its log."""

    address: str
    process: subprocess.Popen[str]
    folder: Path
    log: Path


@contextmanager
def serving(temporary: Path, threads: int = 1, kept_bytes: int | None = None) -> Iterator[Server]:
    """Start the demo on a free port with all its temporary files below `temporary`; end it as Ctrl+C does.

    Raises
    ------
    RuntimeError
        If it does not start, or does not end cleanly within a minute.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    name, log = "bridgenet_infer.demo", temporary / "log.txt"
    how = ["-m", name] if kept_bytes is None else ["-c", FEWER_KEPT.format(kept_bytes, name, "__main__")]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, *how, "--port", str(port)], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True,
            env={**os.environ, "TMPDIR": str(temporary), "OMP_NUM_THREADS": str(threads)},
        )  # fmt: skip
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("http://127.0.0.1:"):
                raise RuntimeError(f"the demo did not start: {log.read_text()}")
            (folder,) = temporary.glob("bridgenet-demo-*")
            yield Server(line.split()[0].rstrip("/"), process, folder, log)
        finally:
            process.terminate()
            code = process.wait(60)
    if code != 0:
        raise RuntimeError(f"the demo ended with {code}: {log.read_text()}")


def fetch(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str | None = None
) -> tuple[int, bytes]:
    """Status and content, of errors too; POST if there is a body."""
    request = urllib.request.Request(url, body, headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def form(name: str, content: bytes, field: str = "files") -> bytes:
    """A multipart body with one file."""
    head = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--x--\r\n"


class Visitor:
    """Somebody who asks for runs without a browser."""

    def __init__(self, address: str, session: str) -> None:
        self.address, self.session = address, session
        config = json.loads(fetch(f"{address}/config")[1])
        (self.button,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == "run"]
        (self.call,) = [d["id"] for d in config["dependencies"] if [self.button, "click"] in map(list, d["targets"])]

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Send a file; returns its reference for `ask`."""
        status, text = fetch(f"{self.address}/gradio_api/upload", form(name, content), FORM)
        if status != 200:
            raise RuntimeError(f"{name} was not taken: {status} {text!r}")
        return {"path": json.loads(text)[0], "meta": {"_type": "gradio.FileData"}}

    def ask(
        self, source: Any = "desk", weights: Any = "default", rgb: Any = None, depth: Any = None, **more: Any
    ) -> tuple[int, str]:
        """Join the queue: status and text of the answer; `more` goes into the request."""
        data = [source, 8, "auto", weights, False, 60, rgb, rgb if depth is None else depth, None]
        body = {"data": data, "fn_index": self.call, "session_hash": self.session, "trigger_id": self.button, **more}
        status, text = fetch(f"{self.address}/gradio_api/queue/join", json.dumps(body).encode(), JSON)
        return status, text.decode()

    def outcome(self) -> dict[str, Any]:
        """The outcome of the request, with "data" or with "error"."""
        url = f"{self.address}/gradio_api/queue/data?session_hash={self.session}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as events:
            for line in events:
                if line.startswith(b"data:") and (event := json.loads(line[5:]))["msg"] == "process_completed":
                    return dict(event["output"])
        raise RuntimeError("the server did not answer")


def files_of(output: dict[str, Any]) -> list[str]:
    """Paths on the server of the two files to download: result and point cloud."""
    result, points = output["data"][-2:]
    return [result["value"]["path"] if "value" in result else result["path"], points["path"]]
