"""The demo page in a real browser: headless Chromium against the server that users start."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bridgenet_infer import DepthUpsampler, read_depth, read_rgb
from bridgenet_infer.demo.wording import number
from robustness.page.visitors import FORM, PATIENCE, Visitor, fetch, form, serving
from testing import ROOT
from testing.browser import chromium

STREET = ROOT / "examples" / "street"
OUT = ROOT / "out"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running demo; it must end cleanly and take its folder with it."""
    pytest.importorskip("gradio", reason="gradio is not installed: pip install '.[demo]'")
    temporary = tmp_path_factory.mktemp("demo")
    with serving(temporary, torch.get_num_threads()) as server:
        yield server.address
    assert [path.name for path in temporary.iterdir()] == ["log.txt"]
    assert "bridgenet_infer" not in server.log.read_text()  # no traceback of ours; Gradio tells of its own


@cache
def desk_error() -> float:
    """Mean absolute error of the desk by the API, in millimetres."""
    rgb, lr_depth, truth = (read(ROOT / "examples" / "desk" / name) for read, name in (
        (read_rgb, "rgb.png"), (read_depth, "depth_lr.png"), (read_depth, "depth.png"),
    ))  # fmt: skip
    depth = DepthUpsampler.from_pretrained(device="cpu")(rgb, lr_depth).astype(np.float64)
    return float(np.abs(depth - truth)[truth > 0].mean())


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser") / "downloads"


@pytest.fixture(scope="module")
def browser(address: str, downloads: Path) -> Iterator[Any]:
    """Chromium on the page, with no way to any other host."""
    with chromium(downloads.parent) as chrome:
        chrome.get(address)
        OUT.mkdir(exist_ok=True)
        yield chrome


def wait(browser: Any, ready: Callable[[Any], Any]) -> Any:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(browser, PATIENCE, ignored_exceptions=[StaleElementReferenceException]).until(ready)


def find(browser: Any, selector: str) -> Any:
    return wait(browser, lambda page: page.find_elements("css selector", selector))[0]


def picture_loaded(browser: Any, selector: str) -> Any:
    script = "let i = document.querySelector(arguments[0]); return i && i.complete && i.naturalWidth"
    return wait(browser, lambda page: page.execute_script(script, selector))


def facts(browser: Any) -> str:
    return str(find(browser, "#facts .facts").text)  # without the progress shown over it


def run(browser: Any) -> str:
    """Press the button, wait for other facts than before."""
    before = [element.text for element in browser.find_elements("css selector", "#facts .facts")]
    find(browser, "#run").click()
    wait(browser, lambda _: "weights" in facts(browser) and facts(browser) not in before)
    return facts(browser)


def open_tab(browser: Any, name: str) -> None:
    wait(browser, lambda page: [t for t in page.find_elements("css selector", "button[role=tab]") if t.text == name])
    next(t for t in browser.find_elements("css selector", "button[role=tab]") if t.text == name).click()


def canvas(browser: Any) -> np.ndarray:
    """What the point clouds' canvas shows, (H, W, 3)."""
    import cv2

    data = browser.execute_script("return document.querySelector('#cloud canvas').toDataURL('image/png')")
    return cv2.imdecode(np.frombuffer(base64.b64decode(data.partition(",")[2]), np.uint8), cv2.IMREAD_COLOR)


def test_page_comes_up_with_a_scene_and_asks_no_other_host(browser: Any, address: str) -> None:
    assert picture_loaded(browser, "img[src*='file=']") == 640
    assert "RGB 640" in find(browser, "#given").text
    assert "What you will see here" in find(browser, "#start").text
    browser.save_screenshot(str(OUT / "demo_start.png"))
    names = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert {name.split("/")[2] for name in names if name.startswith("http")} == {address.split("/")[2]}


def test_scene_is_up_sampled_compared_and_turned(browser: Any) -> None:
    from selenium.webdriver import ActionChains

    text = run(browser)
    assert number(desk_error(), "mm") in text
    assert "bicubic 68.8 mm" in text
    picture_loaded(browser, "#slider img")
    browser.save_screenshot(str(OUT / "demo_result.png"))
    handle, shown = find(browser, "#slider .outer"), "return document.querySelector('#slider .fixed').style.clipPath"
    before = browser.execute_script(shown), handle.location["x"]
    ActionChains(browser).drag_and_drop_by_offset(find(browser, "#slider .inner"), -200, 0).perform()
    wait(browser, lambda _: find(browser, "#slider .outer").location["x"] < before[1] - 100)
    assert browser.execute_script(shown) != before[0]
    browser.save_screenshot(str(OUT / "demo_slider.png"))
    open_tab(browser, "Error")
    picture_loaded(browser, "#errors img")
    browser.save_screenshot(str(OUT / "demo_error.png"))
    open_tab(browser, "Point cloud")
    wait(browser, lambda _: len(np.unique(canvas(browser).reshape(-1, 3), axis=0)) > 1000)
    first = canvas(browser)
    time.sleep(1)
    assert (canvas(browser) != first).mean() > 0.05  # it turns
    browser.save_screenshot(str(OUT / "demo_cloud.png"))


def test_own_files_give_the_results_of_the_api(browser: Any, downloads: Path) -> None:
    find(browser, "#source label:nth-child(3)").click()
    for field, name in (("rgb", "rgb"), ("depth", "depth_lr"), ("exact", "depth")):
        find(browser, f"#{field}_file input[type=file]").send_keys(str(STREET / f"{name}.png"))
        wait(
            browser,
            lambda page, field=field, name=name: f"{name}.png" in find(page, f"#{field}_file").text.replace("\n", ""),
        )
    text = run(browser)
    assert "uint16" in text
    find(browser, "#result").click()
    wait(browser, lambda _: (downloads / "depth_x8.png").is_file())
    upsampler = DepthUpsampler.from_pretrained("default")
    expected = upsampler(read_rgb(STREET / "rgb.png"), read_depth(STREET / "depth_lr.png"))
    assert np.array_equal(read_depth(downloads / "depth_x8.png"), expected)
    browser.save_screenshot(str(OUT / "demo_own.png"))
    find(browser, "#points").click()
    wait(browser, lambda _: (downloads / "points.ply").is_file())
    assert (downloads / "points.ply").read_bytes().startswith(b"ply\n")


def test_wrong_files_are_refused_in_words_without_paths(browser: Any) -> None:
    find(browser, "#exact_file button[aria-label='Clear']").click()
    find(browser, "#depth_file button[aria-label='Clear']").click()
    find(browser, "#depth_file input[type=file]").send_keys(str(STREET / "rgb.png"))
    toast = wait(browser, lambda page: [t for t in page.find_elements("css selector", ".toast-body") if t.text])[0]
    assert "the depth file: depth must have one channel" in toast.text
    assert "/" not in toast.text
    browser.save_screenshot(str(OUT / "demo_refusal.png"))


def test_uploads_beyond_the_limit_are_refused(address: str) -> None:
    status, text = fetch(f"{address}/gradio_api/upload", form("depth.npy", bytes(64 * 2**20 + 1)), FORM)
    assert (status, b"exceeded" in text.lower()) == (413, True), text


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"source": "../desk"}, "../desk"),
        ({"weights": "/etc/passwd"}, "/etc/passwd"),
        ({"source": "own files"}, "both an RGB image and its low-resolution depth are needed"),
        (
            {"source": "own files", "rgb": {"path": "http://127.0.0.1/a.png", "meta": {"_type": "gradio.FileData"}}},
            "files must be uploaded",
        ),
        (
            {"source": "own files", "rgb": {"path": str(STREET / "rgb.png"), "meta": {"_type": "gradio.FileData"}}},
            None,  # Gradio refuses what was not uploaded, and says no more than that
        ),
    ],
)
def test_requests_that_no_page_would_make_are_refused(address: str, asked: dict[str, Any], told: str | None) -> None:
    visitor = Visitor(address, "stranger" + "".join(filter(str.isalnum, str(asked))))
    status, text = visitor.ask(**asked)
    assert status == 200, text
    output = visitor.outcome()
    error = output.get("error")
    assert (error is None) if told is None else (told in error), output
    assert str(ROOT) not in json.dumps(output)
    assert "data" not in output


def test_twice_the_queue_is_refused_and_the_page_lives_on(address: str) -> None:
    from bridgenet_infer.demo.page import QUEUE

    crowd = [Visitor(address, f"visitor{i}") for i in range(2 * (QUEUE + 1))]
    with ThreadPoolExecutor(len(crowd)) as pool:
        answers = list(pool.map(Visitor.ask, crowd))
    codes = [code for code, _ in answers]
    assert set(codes) == {200, 503}
    assert codes.count(503) >= QUEUE - 1  # one or two runs may have been finished meanwhile
    assert all("Queue is full" in text for code, text in answers if code == 503)
    served = next(visitor for visitor, code in zip(crowd, codes, strict=True) if code == 200)
    assert number(desk_error(), "mm") in json.dumps(served.outcome())
    assert fetch(address)[0] == 200
