"""A guard before the page: it passes the page's own routes, bodies of a declared size, and no other site's requests.

Gradio serves more than a page uses: it fetches addresses for its visitors, cuts videos that they send, keeps "deep
links", and reads bodies of any length.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from .intake import MAX_BYTES
from .tidy import tidy

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

API = "/gradio_api"
UPLOAD = f"{API}/upload"
READ = re.compile(
    r"/(config/?|theme\.css|favicon\.ico|manifest\.json|robots\.txt|(assets|static|svelte)/.*)?|"
    rf"{API}/(info|theme\.css|startup-events|upload_progress|queue/data|heartbeat/\w+|file=(?!\w+:/).+)"
)
WRITTEN = re.compile(rf"{API}/(queue/join|run/predict|cancel|reset|upload)")
MAX_FORM = MAX_BYTES + 2**16  # one file and what is around it
MAX_REQUEST = 2**16  # of JSON
UPLOADS = 8  # at a time, so that they cannot fill the disk together
UPLOAD_SECONDS = 600
LOCAL = ("localhost", "127.0.0.1", "[::1]")
HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    # Gradio's page has scripts within it and compiles the canvas's; nothing may be fetched from elsewhere
    (
        b"content-security-policy",
        b"default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; object-src 'none'; base-uri 'self'; "
        b"form-action 'self'; frame-ancestors 'self'",
    ),
]


class Guard:
    """ASGI middleware of the demo.

    Parameters
    ----------
    app
        What is guarded.
    folder
        Where files of visitors lie; tidied before each upload.
    local
        Whether only this machine is served: then no other name of it is answered to, since a foreign site's name may be
        made to lead here (DNS rebinding).
    """

    def __init__(self, app: App, folder: Path, local: bool) -> None:
        self.app, self.folder, self.local = app, folder, local
        self.uploads = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it in a line of text."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        refused = self._refusal(scope["method"], scope["path"], headers)
        if refused is not None:
            return await _answer(send_guarded, *refused)
        if scope["path"] == UPLOAD:
            return await self._upload(scope, receive, send_guarded)
        await self.app(scope, receive, send_guarded)

    def _refusal(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str] | None:
        """Status and text of a refusal; None for a request that is served."""
        if self.local and re.sub(r":\d+$", "", headers.get("host", "")).lower() not in LOCAL:
            return 403, "this page is for the machine that it runs on"
        if method in ("GET", "HEAD"):
            return None if READ.fullmatch(path) else (404, "there is no such page")
        if method != "POST" or not WRITTEN.fullmatch(path):
            return 404, "there is no such page"
        if headers.get("sec-fetch-site") == "cross-site":
            return 403, "another site sent this"
        length = headers.get("content-length", "")
        if not length.isdecimal():  # the server holds a sender to what it has declared
            return 411, "the length must be declared"
        if int(length) > (most := MAX_FORM if path == UPLOAD else MAX_REQUEST):
            return 413, f"{length} bytes exceeded the limit of {most}"
        return None

    async def _upload(self, scope: Message, receive: Receive, send: Send) -> None:
        if self.uploads >= UPLOADS:
            return await _answer(send, 503, "too many uploads at once: try again")
        self.uploads += 1
        try:
            await asyncio.to_thread(tidy, self.folder)
            await asyncio.wait_for(self.app(scope, receive, send), UPLOAD_SECONDS)
        except asyncio.TimeoutError:
            await _answer(send, 408, "the upload took too long")
        finally:
            self.uploads -= 1


async def _answer(send: Send, status: int, text: str) -> None:
    """A line of text; the rest of the request is not read."""
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
