"""A stand-in for the Hugging Face Hub on 127.0.0.1: what the real client asks of it, and ways to misbehave."""

from __future__ import annotations

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class HubServer:
    """Serves `files[(repo_id, commit, filename)]`; `branches[(repo_id, name)]` leads to commits.

    `requests` lists what was asked; `stall` is None, "head" (no answer at all) or "body" (half a file, then
    silence); `short` cuts downloads while announcing their full length.
    """

    def __init__(self) -> None:
        self.files: dict[tuple[str, str, str], bytes] = {}
        self.branches: dict[tuple[str, str], str] = {}
        self.requests: list[tuple[str, str]] = []
        self.stall: str | None = None
        self.short = False
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.answer(with_body=False)

            def do_GET(self) -> None:
                self.answer(with_body=True)

            def answer(self, with_body: bool) -> None:
                outer.requests.append((self.command, self.path))
                if outer.stall == "head":
                    outer.closing.wait(60)
                    return
                found = outer.find(self.path)
                if found is None:
                    self.send_response(404)
                    self.send_header("X-Error-Code", "EntryNotFound")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                commit, payload = found
                self.send_response(200)
                self.send_header("X-Repo-Commit", commit)
                self.send_header("ETag", f'"{hashlib.sha1(payload).hexdigest()}"')
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                if not with_body:
                    return
                half = outer.short or outer.stall == "body"
                self.wfile.write(payload[: len(payload) // 2] if half else payload)
                self.wfile.flush()
                if outer.stall == "body":
                    outer.closing.wait(60)
                if half:
                    self.close_connection = True

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def find(self, path: str) -> tuple[str, bytes] | None:
        """Commit and content behind /<owner>/<name>/resolve/<revision>/<file>."""
        parts = path.partition("?")[0].strip("/").split("/")
        if len(parts) != 5 or parts[2] != "resolve":
            return None
        repo_id, revision, name = "/".join(parts[:2]), parts[3], parts[4]
        commit = self.branches.get((repo_id, revision), revision)
        payload = self.files.get((repo_id, commit, name))
        return None if payload is None else (commit, payload)

    def downloads(self) -> list[str]:
        """Paths of the files fetched so far."""
        return [path for method, path in self.requests if method == "GET" and "/resolve/" in path]

    def __enter__(self) -> HubServer:
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
        time.sleep(0)
