"""A stand-in for the Hugging Face Hub on 127.0.0.1. It answers the real client, and can misbehave in several ways."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from bridgenet_infer.weights.manifest import MANIFEST

PIECE = 2**14


class PatientServer(ThreadingHTTPServer):
    """Says nothing when whoever asked was killed."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """As usual, with a trace, unless the connection broke."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def manifest_entry(payload: bytes, file: str = "tiny.safetensors", **more: Any) -> dict[str, Any]:
    """The entry of a checkpoint in a manifest; `more` replaces fields of it."""
    digest = hashlib.sha256(payload).hexdigest()
    return {"name": Path(file).stem, "file": file, "sha256": digest, "size": len(payload), "scales": [2, 16], **more}


class HubServer:
    """Serves `files[(repo_id, commit, filename)]`; `branches[(repo_id, name)]` leads to commits.

    Uploads make repositories and commits on "main"; `large` holds what came by the LFS protocol, by sha256.
    `requests` lists what was asked; `stall` is None, "head" (no answer at all) or "body" (half a file, then
    silence); `short` cuts downloads while announcing their full length; `pause` is how many seconds pass after each
    16 KiB; `refuse` is the status that answers all writing; `damage` flips a byte in what was uploaded.
    """

    def __init__(self) -> None:
        self.files: dict[tuple[str, str, str], bytes] = {}
        self.branches: dict[tuple[str, str], str] = {}
        self.repositories: set[str] = set()
        self.large: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.stall: str | None = None
        self.short = False
        self.pause = 0.0
        self.refuse: int | None = None
        self.damage = False
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.answer(with_body=False)

            def do_GET(self) -> None:
                if self.path.startswith("/api/"):
                    self.answer_api(b"")
                else:
                    self.answer(with_body=True)

            def do_POST(self) -> None:
                self.answer_api(self.body())

            def do_PUT(self) -> None:
                self.answer_api(self.body())

            def body(self) -> bytes:
                if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                chunks = []
                while size := int(self.rfile.readline(), 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(chunks)

            def answer_api(self, body: bytes) -> None:
                outer.requests.append((self.command, self.path))
                status, document = outer.respond(self.path.partition("?")[0].strip("/").split("/"), body)
                payload = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

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
                self.send(payload[: len(payload) // 2] if half else payload)
                if outer.stall == "body":
                    outer.closing.wait(60)
                if half:
                    self.close_connection = True

            def send(self, payload: bytes) -> None:
                for start in range(0, len(payload), PIECE):
                    self.wfile.write(payload[start : start + PIECE])
                    self.wfile.flush()
                    outer.closing.wait(outer.pause)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = PatientServer(("127.0.0.1", 0), Handler)
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

    def environment(self, home: Path | str) -> dict[str, str]:
        """Variables with which the Hub's client uses this server and a cache in `home`."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

    def publish(self, repo_id: str, commit: str, name: str, payload: bytes) -> None:
        """Serve one checkpoint with its manifest, as the main branch."""
        entry = manifest_entry(payload, name)
        self.files[repo_id, commit, name] = payload
        self.files[repo_id, commit, MANIFEST] = json.dumps({"checkpoints": [entry]}).encode()
        self.branches[repo_id, "main"] = commit

    def downloads(self) -> list[str]:
        """Paths of the files fetched so far."""
        return [path for method, path in self.requests if method == "GET" and "/resolve/" in path]

    # -- uploads -------------------------------------------------------------------------------------------------------

    def head(self, repo_id: str) -> dict[str, bytes]:
        """The files of a repository's main branch."""
        commit = self.branches.get((repo_id, "main"))
        return {name: payload for (repo, at, name), payload in self.files.items() if (repo, at) == (repo_id, commit)}

    def respond(self, parts: list[str], body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and answer of a call of the API or of the LFS protocol."""
        if self.refuse is not None:
            return self.refuse, {"error": "not yours"}
        match parts:
            case ["api", "validate-yaml"]:
                return (200, {"warnings": []}) if b"license: " in body else (400, {"errors": [{"message": "licence?"}]})
            case ["api", "repos", "create"]:
                asked = json.loads(body)
                repo_id = f"{asked['organization']}/{asked['name']}"
                known = repo_id in self.repositories
                self.repositories.add(repo_id)
                return 409 if known else 200, {"url": f"{self.url}/{repo_id}"}
            case ["lfs", digest]:
                self.large[digest] = body
                return 200 if hashlib.sha256(body).hexdigest() == digest else 400, {}
            case [_, _, "info", "lfs", "objects", "batch"]:
                return 200, {"objects": [self.offer(asked) for asked in json.loads(body)["objects"]]}
            case ["api", "models", owner, name, *call] if f"{owner}/{name}" in self.repositories:
                return self.respond_repository(f"{owner}/{name}", call, body)
        return 404, {"error": f"no {'/'.join(parts)}"}

    def offer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Where to put a large file, if it is not there."""
        upload = {"actions": {"upload": {"href": f"{self.url}/lfs/{asked['oid']}"}}}
        return {"oid": asked["oid"], "size": asked["size"], **({} if asked["oid"] in self.large else upload)}

    def respond_repository(self, repo_id: str, call: list[str], body: bytes) -> tuple[int, dict[str, Any]]:
        """Answers for an existing repository."""
        match call:
            case ["revision", revision]:
                return 200, {"id": repo_id, "sha": self.branches[repo_id, revision], "siblings": []}
            case ["preupload", "main"]:
                there = self.head(repo_id)
                return 200, {"files": [mode(asked["path"], there) for asked in json.loads(body)["files"]]}
            case ["commit", "main"]:
                commit = self.commit(repo_id, [json.loads(line) for line in body.splitlines()])
                return 200, {"commitUrl": f"{self.url}/{repo_id}/commit/{commit}", "commitOid": commit}
        return 404, {"error": f"no {call}"}

    def commit(self, repo_id: str, lines: list[dict[str, Any]]) -> str:
        """Put the files of an upload into a new commit, which becomes main."""
        content = self.head(repo_id)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                content[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                large = self.large[value["oid"]]
                content[value["path"]] = large[:-1] + bytes([large[-1] ^ 1]) if self.damage else large
        digest = hashlib.sha1(repr((self.branches.get((repo_id, "main")), sorted(content.items()))).encode())
        commit = self.branches[repo_id, "main"] = digest.hexdigest()
        self.files |= {(repo_id, commit, name): payload for name, payload in content.items()}
        return commit

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


def mode(path: str, there: dict[str, bytes]) -> dict[str, Any]:
    """How a file is to be uploaded, and the hash of what is there: of git's kind, or sha256 of large files."""
    large, old = path.endswith(".safetensors"), there.get(path)
    hashed: dict[str, Any] = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
    if old is not None:
        blob = hashlib.sha256(old) if large else hashlib.sha1(b"blob %d\0" % len(old) + old)
        hashed["oid"] = blob.hexdigest()
    return hashed
