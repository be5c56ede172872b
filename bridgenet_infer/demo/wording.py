"""The texts of the page about a run, as HTML. Every text from outside is escaped."""

from html import escape

from bridgenet_infer.arrays import Array

from ..visualise import DEPTH_COLOURS, ERROR_COLOURS, Span
from .compare import Comparison, Errors
from .pictures import gradient

HEADING = """<h1>Sharp depth from an RGB image and low-resolution depth</h1>
<p>bridgenet-infer up-samples a depth map to the size of its RGB image. Here its result lies beside bicubic
interpolation. Everything is computed on the machine that serves this page.</p>"""
START = """<h3>What you will see here</h3><ul>
<li><b>Before and after</b>: bicubic interpolation and the network's result under a line that you drag</li>
<li><b>Error</b>: how far each is from the exact depth, where that is known</li>
<li><b>Point cloud</b>: both in 3D, side by side, turning</li>
<li><b>The result</b> to download, in the dtype and unit of the depth that went in</li></ul>
<p>Choose a rendered scene or your own files on the left, then press <b>Up-sample</b>.</p>"""
NO_EXACT = "The error can be shown where exact depth is known: the rendered scenes, or a third file of your own."
OWN_FILES = (
    '<div class="note">Both must show the same extent from the same camera (registered depth). Holes are 0 or NaN; the '
    "result keeps dtype and unit.</div>"
)
CANVAS = """<canvas role="img" tabindex="0"
aria-label="Point clouds of bicubic interpolation and of bridgenet-infer"></canvas>"""
CLOUD = (
    '<div class="note">Drag or use the arrow keys to turn, scroll or press + and - to come nearer, double-click or '
    "press Home to let it swing again. Points that float between an object and what is behind it are errors.</div>"
)


def facts(run: Comparison, unit: str, device: str) -> str:
    """Errors beside bicubic's, time, weights and device, and the API's warnings."""
    height, width = run.depth.shape
    boxes = [("time", f"{run.seconds:.2f} s", f"the API's call, on {device}")]
    if run.errors is not None:
        ours, plain = run.errors.mean(run.errors.ours), run.errors.mean(run.errors.bicubic)
        boxes += [
            ("mean absolute error", number(ours, unit), f"bicubic {number(plain, unit)}{_better(ours, plain)}"),
            (
                "root mean square error",
                number(run.errors.rms(run.errors.ours), unit),
                f"bicubic {number(run.errors.rms(run.errors.bicubic), unit)}",
            ),
        ]
    holes = 1 - float(run.valid.mean())
    kept = f"{run.depth.dtype}{', ' + unit if unit else ''}, {holes:.1%} holes"
    boxes += [
        ("result", f"{width} × {height}", kept),  # noqa: RUF001
        ("weights", run.weights, f"x{run.scale:g}, sha256 {run.sha256[:12]}"),
    ]
    cells = "".join(
        f'<div class="fact"><div class="what">{escape(what)}</div><div class="value">{escape(value)}</div>'
        f'<div class="more">{escape(more)}</div></div>'
        for what, value, more in boxes
    )
    notes = "".join(f'<div class="note">Note: {escape(note)}</div>' for note in run.notes)
    return f'<div class="facts">{cells}</div>{notes}'


def given(rgb: Array, lr_depth: Array) -> str:
    """Sizes and dtypes of the inputs, for the line under the two pictures."""
    words = [f"{name} {a.shape[1]} × {a.shape[0]}, {a.dtype}" for name, a in (("RGB", rgb), ("depth", lr_depth))]  # noqa: RUF001
    return '<div class="sides">' + "".join(f"<span>{escape(word)}</span>" for word in words) + "</div>"


def sides(left: str, right: str) -> str:
    """Captions over a slider's two halves."""
    return f'<div class="sides"><b>← {escape(left)}</b><b>{escape(right)} →</b></div>'


def depth_legend(span: Span, unit: str) -> str:
    """Colours of depth, near to far."""
    return _legend(f"near {number(span[0], unit)}", f"far {number(span[1], unit)}", gradient(DEPTH_COLOURS))


def error_legend(errors: Errors | None, most: float, unit: str) -> str:
    """Colours of errors, large to none; without errors, how one would get them."""
    if errors is None:
        return f'<div class="note">{NO_EXACT}</div>'
    return _legend(f"error of {number(most, unit)} and more", "none", gradient(ERROR_COLOURS))


def number(value: float, unit: str) -> str:
    """Four digits at most, with the unit if it is known."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{text} {unit}".strip()


def _better(ours: float, plain: float) -> str:
    return f", {plain / ours:.1f} times ours" if 0 < ours < plain else ""


def _legend(left: str, right: str, colours: str) -> str:
    return (
        f'<div class="legend"><span>{escape(left)}</span><span class="bar" style="background:{colours}"></span>'
        f"<span>{escape(right)}</span><span>· grey: holes</span></div>"
    )
