"""The page itself: Gradio components, and what happens when they are used."""

from __future__ import annotations

import html
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr

from ..upsampler import DEFAULT_WEIGHTS, DepthUpsampler
from ..validate import check_depth
from ..weights import read_manifest
from ..write import can_hold, write_depth
from . import wording
from .cloud import canvas_cloud, ply_bytes
from .compare import Comparison, compare
from .intake import DEPTH_UPLOADS, MAX_BYTES, REFUSALS, RGB_UPLOADS, read_inputs, refusal
from .pictures import blocks, colour_depth, colour_error, depth_span, eight_bit, error_limit, fit
from .scenes import BUNDLED_SCALE, FIELD_OF_VIEW, SCENE_SCALES, SCENES, Inputs, load_scene

OWN = "own files"
AUTO = "from the sizes"
OWN_SCALES = (AUTO, "2", "3", "4", "6", "8", "12", "16")
QUEUE = 8  # waiting beside the one that runs; whoever comes then is told to try again
KEPT_SECONDS = 3600  # uploads and results
HERE = Path(__file__).parent
FONTS = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")  # nothing from elsewhere
SLIDER: dict[str, Any] = {
    "show_label": False, "interactive": False, "format": "png", "max_height": 520, "buttons": ["fullscreen"],
}  # fmt: skip
NAMES = ("the RGB file", "the depth file", "the file of exact depth")
Files = tuple[str | None, str | None, str | None]


class Demo:
    """The functions behind the page.

    Parameters
    ----------
    folder
        Where results are put for the download.
    weights
        What is chosen at first; loaded at once, so that a mistake shows before the page does.
    """

    def __init__(self, folder: Path, weights: str = DEFAULT_WEIGHTS) -> None:
        self.folder, self.first = folder, weights
        names = [name for name in read_manifest() if not name.endswith("int8") or find_spec("openvino")]
        self.weights = [weights, *(name for name in names if name != weights)]
        self.load = lru_cache(maxsize=len(self.weights))(DepthUpsampler.from_pretrained)
        self.load(weights)

    def inputs(self, source: str, scene_scale: int, files: Files) -> Inputs:
        """The chosen scene, or the files."""
        return read_inputs(*files) if source == OWN else load_scene(source, int(scene_scale))

    def preview(self, source: str, scene_scale: int, *files: str | None) -> tuple[Any, Any, str]:
        """RGB and LR depth as pictures, and their sizes; nothing while own files are missing."""
        if source == OWN and not (files[0] and files[1]):
            return gr.update(value=None, visible=False), gr.update(value=None, visible=False), ""
        with plain_refusals(files):
            inputs = self.inputs(source, scene_scale, files)  # type: ignore[arg-type]
            received = check_depth(inputs.lr_depth)
            lr, valid = received.raw[0], received.valid[0]
            picture = fit(eight_bit(inputs.rgb))
            small = blocks(colour_depth(lr, valid, depth_span(lr, valid)), (picture.shape[0], picture.shape[1]))
        return (
            gr.update(value=picture, visible=True),
            gr.update(value=small, visible=True),
            wording.given(inputs.rgb, lr),
        )

    def run(
        self, source: str, scene_scale: int, own_scale: str, weights: str, fill_holes: bool, inverse: bool,
        field_of_view: float, *files: str | None,
    ) -> dict[str, Any]:  # fmt: skip
        """Up-sample and compare; what the page's outputs become, by their names."""
        if weights not in self.weights:
            raise gr.Error("unknown weights", print_exception=False)
        with plain_refusals(files):
            upsampler = self.load(weights)
            inputs = self.inputs(source, scene_scale, files)  # type: ignore[arg-type]
            scale = "auto" if source != OWN or own_scale == AUTO else float(own_scale)
            result = compare(upsampler, inputs, scale, fill_holes=fill_holes, space="inverse" if inverse else "linear")
            view = float(field_of_view) if source == OWN else FIELD_OF_VIEW
            return self._show(inputs, result, view, str(upsampler.device))

    def _show(self, inputs: Inputs, result: Comparison, field_of_view: float, device: str) -> dict[str, Any]:
        depth, valid, plain, errors = result.depth, result.valid, result.bicubic, result.errors
        span = depth_span(depth, valid)
        most = error_limit(errors.bicubic, errors.known) if errors else 0.0
        painted = errors and [fit(colour_error(e, errors.known, most)) for e in (errors.bicubic, errors.ours)]
        target = self._room() / f"depth_x{result.scale:g}{_suffix(depth)}"
        write_depth(target, depth)
        cloud_file = target.with_name("points.ply")
        cloud_file.write_bytes(ply_bytes(inputs.rgb, depth, valid, field_of_view))
        kind = f"{8 * depth.dtype.itemsize}-bit {target.suffix[1:].upper()}"
        return {
            "slider": tuple(fit(colour_depth(d, valid, span)) for d in (plain, depth)),
            "depth_legend": wording.depth_legend(span, inputs.unit),
            "errors": gr.update(value=painted and tuple(painted), visible=errors is not None),
            "error_legend": wording.error_legend(errors, most, inputs.unit),
            "cloud": canvas_cloud(inputs.rgb, {"bicubic": plain, "bridgenet-infer": depth}, valid, field_of_view),
            "facts": wording.facts(result, inputs.unit, device),
            "result": gr.update(value=str(target), label=f"Download the result, {kind}"),
            "points": str(cloud_file),
            "start": gr.update(visible=False),
            "results": gr.update(visible=True),
        }

    def _room(self) -> Path:
        """A new folder for one run's files; those of runs long past are removed."""
        for old in self.folder.glob("run-*"):
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))


@contextmanager
def plain_refusals(files: tuple[str | None, ...]) -> Iterator[None]:
    """What reading and up-sampling refuse, as a message on the page; anything else stays unsaid there."""
    names: Mapping[str | None, str] = dict(zip(files, NAMES, strict=False))
    try:
        yield
    except REFUSALS as error:
        raise gr.Error(html.escape(refusal(error, names)), print_exception=False) from error


def build_page(demo: Demo) -> Any:
    """Lay the page out and connect it; `launch` serves it."""
    with gr.Blocks(title="bridgenet-infer", analytics_enabled=False, delete_cache=(KEPT_SECONDS, KEPT_SECONDS)) as page:
        gr.HTML(wording.HEADING, elem_id="heading")
        with gr.Row():
            with gr.Column(scale=1, min_width=320):
                source = gr.Radio([*SCENES, OWN], value=SCENES[0], label="1. What to up-sample", elem_id="source")
                with gr.Column() as scene_options:
                    scene_scale = gr.Radio(
                        [(f"x{scale}", scale) for scale in SCENE_SCALES], value=BUNDLED_SCALE, elem_id="scene_scale",
                        label="Scale", info="The scene is rendered: its exact depth is known and shrunk by this much.",
                    )  # fmt: skip
                with gr.Column(visible=False) as own_options:
                    files = [
                        gr.File(label="RGB image (PNG, JPEG, BMP, TIFF)", file_types=list(RGB_UPLOADS), height=110,
                                elem_id="rgb_file"),
                        gr.File(label="Low-resolution depth of the same view (PNG, TIFF, NPY)", height=110,
                                file_types=list(DEPTH_UPLOADS), elem_id="depth_file"),
                        gr.File(label="Exact depth at the RGB image's size, if you have it", height=110,
                                file_types=list(DEPTH_UPLOADS), elem_id="exact_file"),
                    ]  # fmt: skip
                    own_scale = gr.Dropdown(list(OWN_SCALES), value=AUTO, label="Scale")
                with gr.Row():
                    pictures = [
                        gr.Image(
                            label=what, show_label=False, interactive=False, format="png", min_width=140, buttons=[]
                        )
                        for what in ("RGB", "depth as given")
                    ]
                given = gr.HTML(elem_id="given")
                weights = gr.Dropdown(
                    demo.weights, value=demo.first, label="2. Weights", elem_id="weights",
                    info="lite: any scale, shrunk frames. sensor: frames as a low-resolution sensor delivers them.",
                )  # fmt: skip
                with gr.Accordion("Options", open=False):
                    fill = gr.Checkbox(label="Fill holes")
                    inverse = gr.Checkbox(label="Normalise 1 / depth", info="For depth that was averaged as disparity.")
                    view = gr.Slider(20, 120, FIELD_OF_VIEW, step=1, label="Horizontal field of view, degrees",
                                     info="Of own files, for the point cloud.")  # fmt: skip
                button = gr.Button("3. Up-sample", variant="primary", elem_id="run")
            with gr.Column(scale=3, min_width=480):
                start = gr.HTML(wording.START, elem_id="start")
                with gr.Column(visible=False) as results:
                    facts = gr.HTML(elem_id="facts")
                    with gr.Tabs():
                        with gr.Tab("Before and after"):
                            gr.HTML(wording.sides("bicubic", "bridgenet-infer"))
                            slider = gr.ImageSlider(elem_id="slider", label="bicubic, bridgenet-infer", **SLIDER)
                            depth_legend = gr.HTML()
                        with gr.Tab("Error"):
                            gr.HTML(wording.sides("error of bicubic", "error of bridgenet-infer"))
                            errors = gr.ImageSlider(elem_id="errors", label="errors", **SLIDER)
                            error_legend = gr.HTML()
                        with gr.Tab("Point cloud"):
                            cloud = gr.HTML(
                                "", html_template="<canvas></canvas>", elem_id="cloud",
                                js_on_load=(HERE / "cloud.js").read_text(encoding="utf-8"),
                            )  # fmt: skip
                            gr.HTML(wording.CLOUD)
                    with gr.Row():
                        result = gr.DownloadButton("Result", elem_id="result")
                        points = gr.DownloadButton("Point cloud, PLY", elem_id="points")

        private: dict[str, Any] = {"concurrency_id": "work", "concurrency_limit": 1, "api_visibility": "private"}
        shown = [source, scene_scale, *files]
        source.change(
            lambda chosen: (gr.update(visible=chosen != OWN), gr.update(visible=chosen == OWN)),
            source, [scene_options, own_options], queue=False, api_visibility="private",
        )  # fmt: skip
        gr.on(
            [page.load, *(component.change for component in shown)],
            demo.preview, shown, [*pictures, given], show_progress="hidden", **private,
        )  # fmt: skip
        outputs = {
            "slider": slider, "depth_legend": depth_legend, "errors": errors, "error_legend": error_legend,
            "cloud": cloud, "facts": facts, "result": result, "points": points,
            "start": start, "results": results,
        }  # fmt: skip
        button.click(
            lambda *values: [*demo.run(*values).values()],
            [source, scene_scale, own_scale, weights, fill, inverse, view, *files],
            list(outputs.values()),
            show_progress_on=[start, facts, slider],
            **private,
        )
    return page


def serve(page: Any, host: str, port: int | None, *, block: bool = True) -> str:
    """Serve the page.

    Returns
    -------
    Its address, if `block` is off.
    """
    page.queue(max_size=QUEUE, default_concurrency_limit=1, api_open=False)
    _, address, _ = page.launch(
        server_name=host, server_port=port, share=False, show_error=False, max_file_size=MAX_BYTES, quiet=True,
        prevent_thread_lock=not block, ssr_mode=False, enable_monitoring=False, footer_links=[], run_history=False,
        css_paths=HERE / "page.css",
        theme=gr.themes.Default(primary_hue="orange", neutral_hue="slate", font=FONTS[0], font_mono=FONTS[1]),
    )  # fmt: skip
    return str(address)


def _suffix(depth: Any) -> str:
    """The first of PNG, TIFF and NPY that holds this depth as it is."""
    return next(suffix for suffix in (".png", ".tif", ".npy") if can_hold(suffix, depth.dtype))
