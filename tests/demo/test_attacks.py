"""The demo attacked over HTTP: files of others, addresses to fetch, bodies without end, other sites, leaks."""

import io
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
from PIL import Image

from robustness.page.visitors import FORM, JSON, PATIENCE, Server, Visitor, fetch, files_of, form, serving
from testing import ROOT


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("gradio", reason="gradio is not installed: pip install '.[demo]'")
    temporary = tmp_path_factory.mktemp("attacked")
    with serving(temporary) as running:
        yield running
        assert fetch(running.address)[0] == 200  # it has lived through all of it
    assert [path.name for path in temporary.iterdir()] == ["log.txt"]


def picture(size: tuple[int, int], seed: int = 0) -> bytes:
    """A grey PNG of noise, (W, H)."""
    noise = np.random.default_rng(seed).integers(0, 256, size[::-1], np.uint8)
    Image.fromarray(noise).save(data := io.BytesIO(), "PNG")
    return data.getvalue()


def raw(server: Server, request: bytes, hang_up: bool = False) -> bytes:
    """What the server answers to bytes as they are until it closes."""
    where = urlsplit(server.address)
    with socket.create_connection((str(where.hostname), int(where.port or 0)), PATIENCE) as connection:
        connection.sendall(request)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd", "../../../../etc/passwd", "%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/proc/self/environ", "setup.cfg",
        "bridgenet_infer/upsampler.py", "{folder}", "{folder}/..", "{folder}/../log.txt", "{folder}/%2e%2e/log.txt",
        "{folder}/run-00000000/depth_x8.png", "file:///etc/passwd", "//etc/passwd", "%00/etc/passwd",
    ],
)  # fmt: skip
def test_no_file_but_visitors_own_is_served(server: Server, path: str) -> None:
    secret = server.log.parent / "log.txt"
    assert secret.exists()
    for prefix in ("/gradio_api/file=", "/gradio_api/file/", "/static/", "/assets/", "/svelte/", "/file="):
        status, text = fetch(server.address + prefix + path.format(folder=server.folder))
        assert status in (400, 403, 404), (prefix, path, status)
        assert b"root:" not in text


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../evil.png", "evil.png"), ("/etc/evil.png", "evil.png"), ("..\\..\\evil.png", "....evil.png"), ("..", ""),
        ("%2e%2e%2fevil.png", "%2e%2e%2fevil.png"), ("a/../../b.png", "b.png"), ("x" * 5000, ""), ("x" * 300, "x"),
    ],
)  # fmt: skip
def test_uploads_land_in_the_demos_folder(server: Server, name: str, kept: str) -> None:
    status, text = fetch(f"{server.address}/gradio_api/upload", form(name, name.encode()), FORM)
    if not kept:
        assert status in (400, 413)
        return
    path = Path(json.loads(text)[0])
    assert path.parents[1] == server.folder
    assert path.name.startswith(kept)


@pytest.mark.parametrize("kind", ["html", "svg", "js"])
def test_uploads_are_never_shown_as_pages(server: Server, kind: str) -> None:
    _, text = fetch(f"{server.address}/gradio_api/upload", form(f"a.{kind}", b"<script>alert(1)</script>"), FORM)
    path = urlsplit(server.address + "/gradio_api/file=" + quote(json.loads(text)[0])).path
    answer = raw(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()).lower()
    assert b"200 ok" in answer
    assert b"content-disposition: attachment" in answer
    assert b"x-content-type-options: nosniff" in answer


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/docs"), ("GET", "/redoc"), ("GET", "/openapi.json"), ("GET", "/gradio_api/openapi.json"),
        ("GET", "/monitoring"), ("GET", "/gradio_api/deep_link?session_hash=a"), ("GET", "/gradio_api/runs"),
        ("GET", "/gradio_api/proxy=http://127.0.0.1/"), ("GET", "/gradio_api/file=http://127.0.0.1/"),
        ("GET", "/gradio_api/file=https://example.invalid/a.png"), ("GET", "/gradio_api/vibe-code/"),
        ("POST", "/gradio_api/vibe-code/"), ("POST", "/gradio_api/component_server"), ("POST", "/login"),
        ("POST", "/gradio_api/process_recording"), ("POST", "/gradio_api/run/run"), ("POST", "/gradio_api/api/predict"),
        ("POST", "/gradio_api/call/run"), ("GET", "/gradio_api/mcp/"), ("POST", "/gradio_api/mcp/"), ("PUT", "/"),
        ("DELETE", "/gradio_api/upload"), ("OPTIONS", "/gradio_api/upload"),
    ],
)  # fmt: skip
def test_what_the_page_does_not_use_is_not_there(server: Server, method: str, path: str) -> None:
    body = form("a.mp4", b"x", "video") if method == "POST" else None
    assert fetch(server.address + path, body, FORM if body else None, method)[0] == 404
    assert list(server.folder.parent.glob("tmp*")) == []


@pytest.fixture
def other_host() -> Iterator[tuple[str, list[str]]]:
    """An address, and what was asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as host:
        threading.Thread(target=host.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{host.server_port}/a.png", asked
        host.shutdown()


@pytest.mark.parametrize("slot", range(9))
@pytest.mark.parametrize("by", ["path", "url"])
def test_no_visitors_address_is_fetched(server: Server, other_host: tuple[str, list[str]], slot: int, by: str) -> None:
    address, asked = other_host
    visitor = Visitor(server.address, f"fetch{slot}{by}")
    file = {"path": "", "meta": {"_type": "gradio.FileData"}} | {by: address}
    data: list[Any] = ["own files", 8, "auto", "default", False, 60, None, None, None]
    data[slot] = file
    assert visitor.ask(data=data)[0] == 200
    output = visitor.outcome()
    assert "data" not in output
    assert str(ROOT) not in json.dumps(output)
    if by == "path":
        assert output["error"] == "files must be uploaded"  # before a name is looked up
    assert asked == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ("Host: localhost\r\nContent-Length: 99999999999", b"413"),
        ("Host: localhost\r\nTransfer-Encoding: chunked", b"411"),
        ("Host: localhost\r\nContent-Length: 9\r\nSec-Fetch-Site: cross-site", b"403"),
        ("Host: evil.example\r\nContent-Length: 9", b"403"),
        ("Host: localhost.evil.example:7860\r\nContent-Length: 9", b"403"),
    ],
)
@pytest.mark.parametrize("path", ["upload", "queue/join"])
def test_endless_bodies_and_other_sites_are_refused(server: Server, path: str, headers: str, status: bytes) -> None:
    kind = FORM if path == "upload" else JSON
    head = f"POST /gradio_api/{path} HTTP/1.1\r\n{headers}\r\nContent-Type: {kind['Content-Type']}\r\n\r\n"
    assert raw(server, head.encode()).startswith(b"HTTP/1.1 " + status)


def test_a_foreign_name_for_this_machine_gets_no_page(server: Server) -> None:
    def get(headers: str) -> bytes:
        return raw(server, f"GET /config HTTP/1.1\r\nConnection: close\r\n{headers}\r\n\r\n".encode())

    assert get("Host: rebound.example").startswith(b"HTTP/1.1 403")
    answer = get("Host: localhost\r\nOrigin: https://evil.example")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"access-control-allow-origin" not in answer.lower()
    assert b"default-src 'self'" in answer


def test_large_requests_that_are_no_upload_are_refused(server: Server) -> None:
    assert Visitor(server.address, "large").ask(source="x" * 2**16)[0] == 413


def test_an_upload_that_breaks_off_leaves_the_server_alone(server: Server) -> None:
    head = "POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
    part = head.encode() + b"Content-Type: multipart/form-data; boundary=x\r\n\r\n" + form("a.npy", bytes(1000))[:-9]
    for _ in range(20):  # more than may be under way at a time
        raw(server, part, hang_up=True)
    status, text = 0, b""
    deadline = time.monotonic() + PATIENCE
    while status != 200 and time.monotonic() < deadline:  # until the server has noticed that they are gone
        status, text = fetch(f"{server.address}/gradio_api/upload", form("b.npy", b"x"), FORM)
    assert status == 200, text


@pytest.mark.parametrize("count", [1001, 100])
def test_many_files_at_once(server: Server, count: int) -> None:
    body = b"".join(form(f"{n}.png", b"x").removesuffix(b"--x--\r\n") for n in range(count)) + b"--x--\r\n"
    status, text = fetch(f"{server.address}/gradio_api/upload", body, FORM)
    assert (status == 200) == (count <= 1000), text


BOMB = picture((8, 8))[:16] + (100_000).to_bytes(4, "big") * 2 + picture((8, 8))[24:]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.png", picture((4001, 3000)), "12 million at most"),
        ("a.png", BOMB, "not a readable PNG file|far more than"),
        ("a.html", b"<html>", "one of these formats"),
        ("a.png", b"<svg/>", "not a readable PNG file"),
        ("a.png", picture((64, 48))[:200], "the (RGB|depth) file"),
    ],
)
def test_wrong_files_are_refused_in_plain_words(server: Server, name: str, content: bytes, told: str) -> None:
    visitor = Visitor(server.address, f"wrong{abs(hash((name, content)))}")
    file = visitor.upload(name, content)
    assert visitor.ask("own files", rgb=file)[0] == 200
    error = visitor.outcome()["error"]
    assert re.search(told, error), error
    assert "/" not in error


def test_nobody_gets_what_another_asked_for(server: Server) -> None:
    owner, stranger = Visitor(server.address, "owner"), Visitor(server.address, "stranger")
    rgb = owner.upload("rgb.png", picture((64, 48)))
    depth = owner.upload("depth.png", picture((8, 6), 1))
    status, event = owner.ask("own files", rgb=rgb, depth=depth)
    assert status == 200
    number = json.loads(event)["event_id"]
    assert fetch(f"{server.address}/gradio_api/call/run/{number}")[0] == 404
    cancel = {"session_hash": stranger.session, "fn_index": stranger.call, "event_id": "0" * 32}
    fetch(f"{server.address}/gradio_api/cancel", json.dumps(cancel).encode(), JSON)
    result, points = files_of(owner.outcome())
    for path in (result, points):
        assert fetch(f"{server.address}/gradio_api/file={path}")[0] == 200
        room = Path(path).parent
        assert len(room.name.removeprefix("run-")) == 8  # drawn at random, cannot be listed
        assert fetch(f"{server.address}/gradio_api/file={room}")[0] == 403


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"data": "x"}', b'{"data": [], "fn_index": 999, "session_hash": "a"}',
     b'{"data": [], "fn_index": -1, "session_hash": "a"}', b'{"data": [null], "fn_index": 2, "session_hash": "a"}',
     b'{"data": [], "fn_index": 0}', b'{"data": [1e999, {}], "fn_index": 1, "session_hash": "a"}', b"[" * 60000],
)  # fmt: skip
@pytest.mark.parametrize("route", ["queue/join", "run/predict"])
def test_errors_tell_no_path_and_no_code(server: Server, route: str, body: bytes) -> None:
    _, text = fetch(f"{server.address}/gradio_api/{route}", body, JSON)
    assert not re.search(rb"Traceback|\.py\b|site-packages|line \d+", text)
    assert str(ROOT).encode() not in text


def test_the_page_and_its_config_name_no_path_of_the_server(server: Server) -> None:
    for path in ("/", "/config"):
        text = fetch(server.address + path)[1].decode()
        for place in (str(ROOT), str(Path.home()) + "/", str(server.folder), "site-packages"):
            assert place not in text


def test_only_this_machine_is_listened_to(server: Server) -> None:
    port = int(urlsplit(server.address).port or 0)
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {
        fields[1].split(":")[0] for fields in sockets if fields[1].endswith(f":{port:04X}") and fields[3] == "0A"
    }
    assert listening == {"0100007F"}  # 127.0.0.1
