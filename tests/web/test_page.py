"""The page in a real browser: what it shows and fetches, how it is worked without a mouse, and where it fits."""

import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from testing import ROOT
from testing.browser import CLOSED, ISOLATED, VIOLATIONS
from testing.memory import resident_mb

OUT = ROOT / "out"
MOST_BYTES = 20e6
LEAST_CONTRAST = 4.5  # of text, WCAG 2 AA
CONTRAST = """
const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => colour.slice(0, 3).map((c) => c / 255)
  .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
document.body.dataset.theme = arguments[0];
const seen = [...document.querySelectorAll("#try *")].filter((e) => e.offsetParent &&
  (["number", "file"].includes(e.type) || [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())));
return seen.map((e) => {
  const [a, b] = [parse(getComputedStyle(e).color), behind(e)].map(light);
  return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 90)];
});"""
OVERFLOW = """const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll("#try *")].filter((e) => e.offsetParent)
  .filter((e) => e.getBoundingClientRect().right > wide + 1 || e.getBoundingClientRect().left < -1)
  .map((e) => e.outerHTML.slice(0, 90));"""


def picture(visitor: Any, name: str) -> str:
    OUT.mkdir(exist_ok=True)
    path = OUT / f"web_{name}.png"
    visitor.browser.save_screenshot(str(path))
    return str(path)


def pixels(visitor: Any, selector: str) -> str:
    return str(visitor.script("return document.querySelector(arguments[0]).toDataURL()", f"#try {selector}"))


def focused(visitor: Any) -> Any:
    return visitor.browser.switch_to.active_element


def press(visitor: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(visitor.browser).send_keys(*keys).perform()


def tab_to(visitor: Any, selector: str) -> None:
    """Press the tab key until an element has the focus."""
    target = visitor.find(selector)
    for _ in range(40):
        if focused(visitor) == target:
            return
        press(visitor, "\ue004")
    raise AssertionError(f"the tab key does not lead to {selector}")


def test_an_example_is_shown_and_asks_no_other_host(newcomer: Any) -> None:
    newcomer.site.sent = 0
    newcomer.site.asked.clear()
    newcomer.open()
    assert newcomer.find(".private").text.startswith("Nothing leaves this machine.")
    assert [caption.text for caption in newcomer.browser.find_elements("css selector", "#try figcaption")] == [
        "RGB 640 × 480",  # noqa: RUF001
        "depth 80 × 60, uint16, x8",  # noqa: RUF001
    ]
    picture(newcomer, "start")
    text = newcomer.run()
    assert "bicubic 68.8 mm" in text  # as the demo page says it
    assert "one thread" in text
    assert newcomer.site.sent < MOST_BYTES
    newcomer.script("document.querySelector('#try .actions').scrollIntoView()")
    picture(newcomer, "result")
    errors = [entry["message"] for entry in newcomer.browser.get_log("browser") if "favicon" not in entry["message"]]
    assert errors == []
    assert VIOLATIONS not in newcomer.site.asked
    newcomer.script("fetch('http://127.0.0.2/').catch(() => 0)")
    newcomer.wait(lambda _: VIOLATIONS in newcomer.site.asked)  # it would have been noticed


def test_threads_are_used_where_the_page_is_isolated(newcomer: Any) -> None:
    newcomer.site.headers.update(ISOLATED)
    try:
        newcomer.open()
        assert newcomer.script("return crossOriginIsolated")
        cores = newcomer.script("return navigator.hardwareConcurrency")
        assert ("one thread" if cores == 1 else f"{min(cores, 4)} threads") in newcomer.run()
    finally:
        newcomer.site.headers = dict(CLOSED)


def test_the_slider_and_the_cloud_work_by_keys(visitor: Any) -> None:
    visitor.open()
    tab_to(visitor, "input[name=source]")
    press(visitor, "\ue015")  # down
    visitor.settle()
    tab_to(visitor, ".run")
    press(visitor, "\ue007")  # enter
    visitor.wait(lambda _: "weights" in visitor.find(".facts").text)
    visitor.settle()
    assert focused(visitor) == visitor.find(".run")
    tab_to(visitor, ".compare input")
    press(visitor, *4 * ["\ue012"])  # left
    assert visitor.script("return document.querySelector('#try .compare').style.getPropertyValue('--share')") == "48%"
    tab_to(visitor, ".cloud canvas")
    press(visitor, "\ue012")  # it stops swinging
    time.sleep(1)
    still = pixels(visitor, ".cloud canvas")
    time.sleep(1)
    assert pixels(visitor, ".cloud canvas") == still
    press(visitor, "\ue014")
    visitor.wait(lambda _: pixels(visitor, ".cloud canvas") != still)
    tab_to(visitor, ".downloads .file")
    tab_to(visitor, ".downloads .points")


def test_a_run_is_cancelled_and_another_one_works(visitor: Any) -> None:
    visitor.open()
    visitor.find(".run").click()
    assert not visitor.find(".run").is_enabled()
    visitor.find(".cancel").click()
    visitor.wait(lambda _: visitor.find("[role=status]").text == "cancelled")
    assert not visitor.find(".result").is_displayed()
    assert "weights" in visitor.run()


@pytest.mark.parametrize("width", [320, 390])
def test_the_page_fits_a_narrow_screen(visitor: Any, width: int) -> None:
    visitor.open()
    visitor.run()
    screen = {"width": width, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    try:
        visitor.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        picture(visitor, f"narrow_{width}")
        assert visitor.script(OVERFLOW) == []
        visitor.choose("own")
        assert visitor.script(OVERFLOW) == []
        visitor.script("document.querySelector('#try .sides').scrollIntoView()")
        picture(visitor, f"narrow_result_{width}")
    finally:
        visitor.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(visitor: Any, theme: str) -> None:
    visitor.open()
    visitor.run()
    found = visitor.script(CONTRAST, theme)
    picture(visitor, theme)
    visitor.choose("own")
    assert visitor.run() == "both an RGB image and its low-resolution depth are needed"
    found += visitor.script(CONTRAST, theme)
    picture(visitor, f"refusal_{theme}")
    assert len(found) > 40
    assert [each for each in found if each[0] < LEAST_CONTRAST] == []


def test_twenty_runs_keep_no_memory(newcomer: Any, tmp_path: Path) -> None:
    for name, step in (("rgb", 8), ("depth_lr", 1)):
        Image.open(ROOT / "examples" / "desk" / f"{name}.png").crop((0, 0, 40 * step, 30 * step)).save(
            tmp_path / f"{name}.png"
        )
    newcomer.open()
    newcomer.bring(tmp_path / "rgb.png", tmp_path / "depth_lr.png")
    sizes = []
    for _ in range(20):
        assert "weights" in newcomer.run()
        sizes.append(renderer_mb(newcomer))
    # the heap settles within eight runs, and single readings differ by 20 MB
    assert min(sizes[-5:]) < min(sizes[8:13]) + 20, sizes


def renderer_mb(visitor: Any) -> float:
    """Of the page's process, which is the largest renderer below the driver's browser."""
    visitor.browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    found, profile = [], visitor.browser.capabilities["chrome"]["userDataDir"].encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if b"--type=renderer" in command and profile in command:
            found.append(resident_mb(int(folder.name)))
    return max(found)
