"""A site on this machine and headless Chromium that can reach nothing else."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

PATIENCE = 300  # seconds; a loaded machine is slow
ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1400,1100",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
VIOLATIONS = "/violations"
# pages and workers that ask another host are stopped, and reported to this one
CLOSED = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob: data:; "
    f"report-uri {VIOLATIONS}"
}
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


class Site(ThreadingHTTPServer):
    """A folder on a free port of 127.0.0.1.

    Attributes
    ----------
    asked
        What was asked for, in its order.
    sent
        Bytes of all answers.
    headers
        Sent with each answer; those of `CLOSED` at first.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(_Recorder, directory=str(folder)))
        self.asked: list[str] = []
        self.sent = 0
        self.headers = dict(CLOSED)

    @property
    def address(self) -> str:
        """Without a slash."""
        return f"http://127.0.0.1:{self.server_port}"


class _Recorder(SimpleHTTPRequestHandler):
    server: Site

    def parse_request(self) -> bool:
        understood = super().parse_request()
        self.server.asked.append(self.path)
        return understood

    def send_header(self, keyword: str, value: str) -> None:
        if keyword == "Content-Length":
            self.server.sent += int(value)
        super().send_header(keyword, value)

    def end_headers(self) -> None:
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[Site]:
    """Serve a folder while the block runs."""
    with Site(folder) as site:
        Thread(target=site.serve_forever, daemon=True).start()
        yield site
        site.shutdown()


@contextmanager
def chromium(folder: Path) -> Iterator[Any]:
    """Headless Chromium with a new profile in `folder`; skips the test where it or selenium is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("chromium or its driver is not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (*ARGUMENTS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder / "downloads")})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as browser:
        yield browser
