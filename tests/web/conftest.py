"""The built site on 127.0.0.1, in headless Chromium, and the hands and eyes of a visitor."""

import base64
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testing import ROOT
from testing.browser import PATIENCE, Site, chromium, serving

BUILT = Path(os.environ.get("BRIDGENET_SITE", ROOT / "out" / "site"))
FETCH = """const done = arguments[arguments.length - 1];
fetch(document.querySelector(arguments[0]).href).then((answer) => answer.blob()).then((blob) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result.split(",")[1]);
  reader.readAsDataURL(blob);
});"""


class Visitor:
    """Somebody at the page."""

    def __init__(self, browser: Any, site: Site) -> None:
        self.browser, self.site = browser, site

    def open(self) -> None:
        self.browser.get(f"{self.site.address}/try.html")
        self.wait(lambda page: page.find_elements("css selector", "#try form"))
        self.settle()

    def find(self, selector: str) -> Any:
        return self.browser.find_element("css selector", f"#try {selector}")

    def wait(self, ready: Callable[[Any], Any]) -> Any:
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.browser, PATIENCE).until(ready)

    def settle(self) -> None:
        """Wait until the page does nothing."""
        self.wait(lambda page: page.find_element("css selector", "#try").get_attribute("aria-busy") == "false")

    def choose(self, source: str) -> None:
        self.find(f"input[value={source}]").click()

    def bring(self, rgb: Path | None, depth: Path | None) -> str:
        """Choose own files; what the page says against them."""
        self.choose("own")
        for name, path in (("rgb", rgb), ("depth", depth)):
            if path:
                self.find(f"input[name={name}]").send_keys(str(path))
        self.settle()
        return self.refusal

    @property
    def refusal(self) -> str:
        return str(self.find(".refusal").text)

    def run(self) -> str:
        """Up-sample; the facts about it, or the refusal."""
        self.find(".run").click()
        self.settle()
        return self.refusal or str(self.find(".facts").text)

    def fetch(self, selector: str) -> bytes:
        """The content of a link to download."""
        self.browser.set_script_timeout(PATIENCE)
        return base64.b64decode(self.browser.execute_async_script(FETCH, f"#try {selector}"))

    def script(self, code: str, *values: Any) -> Any:
        return self.browser.execute_script(code, *values)


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    if not (BUILT / "try" / "facts.json").exists():
        pytest.skip("the page is not built here: make web")
    with serving(BUILT) as server:
        yield server


@pytest.fixture
def newcomer(site: Site, tmp_path: Path) -> Iterator[Visitor]:
    """A visitor whose browser has seen nothing yet."""
    with chromium(tmp_path) as browser:
        yield Visitor(browser, site)


@pytest.fixture(scope="module")
def visitor(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A visitor who stays for all tests of a module."""
    with chromium(tmp_path_factory.mktemp("browser")) as browser:
        guest = Visitor(browser, site)
        guest.open()
        yield guest
