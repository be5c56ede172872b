"""`python -m bridgenet_infer.demo`: serve the demo page."""

import argparse
import ipaddress
import itertools
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from .tidy import tidy


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until interrupted; exit code 1 if it cannot be served."""
    parser = argparse.ArgumentParser(
        prog="python -m bridgenet_infer.demo", description="A page to try the up-sampling in a browser."
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)"
    )
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    parser.add_argument("--weights", default="default", help="chosen at first: name, file, folder or Hub repository")
    options = parser.parse_args(arguments)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    # a run that is under way may still write
    with tempfile.TemporaryDirectory(prefix="bridgenet-demo-", ignore_cleanup_errors=True) as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        tempfile.tempdir = folder  # whatever else is put down meanwhile goes with it
        try:
            from .page import build_page, serve  # seconds, and the environment must be set before
            from .service import Service

            page = build_page(Service(Path(folder), options.weights))
            address = serve(page, Path(folder), options.host, options.port, _is_local(options.host))
        except (ImportError, OSError, ValueError) as error:
            missing = isinstance(error, ImportError) and error.name == "gradio"
            hint = " (pip install 'bridgenet-infer[demo]')" if missing else ""
            print(f"error: {error}{hint}", file=sys.stderr)
            return 1
        print(f"{address}  (Ctrl+C ends it)", flush=True)
        if not _is_local(options.host):
            print(
                "warning: the page has no password, so everybody who can reach this machine can use it", file=sys.stderr
            )
        for second in itertools.count():
            if stop.wait(1):
                break
            if second % 60 == 0:
                tidy(Path(folder))
        page.close(verbose=False)
    return 0


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads of a run that is under way would make the interpreter abort
