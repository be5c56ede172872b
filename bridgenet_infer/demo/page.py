"""The page itself: its Gradio components and their actions."""

import html
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from . import wording
from .guard import Guard
from .intake import DEPTH_UPLOADS, MAX_BYTES, RGB_UPLOADS
from .scenes import BUNDLED_SCALE, FIELD_OF_VIEW, SCENE_SCALES, SCENES
from .service import OWN, Choice, Refusal, Service, Settings

OWN_SCALES = [("from the sizes", "auto"), *((f"x{scale}", str(scale)) for scale in (2, 3, 4, 6, 8, 12, 16))]
QUEUE = 8  # waiting beside the one that runs; whoever comes then is told to try again
SESSIONS = 20  # Gradio remembers all that each was shown, megabytes with a point cloud; the page does not need it
HERE = Path(__file__).parent
FONTS = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")  # nothing from elsewhere
SLIDER: dict[str, Any] = {
    "show_label": False, "interactive": False, "format": "png", "max_height": 520, "buttons": ["fullscreen"],
}  # fmt: skip
WORK: dict[str, Any] = {"concurrency_id": "work", "concurrency_limit": 1, "api_visibility": "private"}


def build_page(service: Service) -> Any:
    """Lay the page out and connect it; `serve` serves it."""
    with gr.Blocks(title="bridgenet-infer", analytics_enabled=False) as page:
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
                    gr.HTML(wording.OWN_FILES)
                    files = [
                        gr.File(label="RGB image (PNG, JPEG, BMP, TIFF)", file_types=list(RGB_UPLOADS), height=110,
                                elem_id="rgb_file"),
                        gr.File(label="Low-resolution depth of the same view (PNG, TIFF, NPY)", height=110,
                                file_types=list(DEPTH_UPLOADS), elem_id="depth_file"),
                        gr.File(label="Exact depth at the RGB image's size, if you have it", height=110,
                                file_types=list(DEPTH_UPLOADS), elem_id="exact_file"),
                    ]  # fmt: skip
                    own_scale = gr.Dropdown(OWN_SCALES, value="auto", label="Scale")
                with gr.Row():
                    pictures = [
                        gr.Image(
                            label=what, show_label=False, interactive=False, format="png", min_width=140, buttons=[]
                        )
                        for what in ("RGB", "depth as given")
                    ]
                given = gr.HTML(elem_id="given")
                weights = gr.Dropdown(
                    list(service.weights), value=service.first, label="2. Weights", elem_id="weights",
                    info="default: any scale, shrunk frames. sensor: frames as a low-resolution sensor delivers them.",
                )  # fmt: skip
                with gr.Accordion("Options", open=False):
                    fill = gr.Checkbox(label="Fill holes")
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
                                "", html_template=wording.CANVAS, elem_id="cloud",
                                js_on_load=(HERE / "cloud.js").read_text(encoding="utf-8"),
                            )  # fmt: skip
                            gr.HTML(wording.CLOUD)
                    with gr.Row():
                        result = gr.DownloadButton("Result", elem_id="result")
                        points = gr.DownloadButton("Point cloud, PLY", elem_id="points")

        def preview(source: str, scene_scale: int, *files: str | None) -> tuple[Any, Any, str]:
            with told():
                shown = service.preview(Choice(source, int(scene_scale), files))  # type: ignore[arg-type]
            rgb, depth, text = shown or (None, None, "")
            return *(gr.update(value=picture, visible=picture is not None) for picture in (rgb, depth)), text

        def run(
            source: str, scene_scale: int, scale: str, weights: str, fill_holes: bool, field_of_view: float,
            *files: str | None,
        ) -> tuple[Any, ...]:  # fmt: skip
            settings = Settings(weights, scale if scale == "auto" else float(scale), fill_holes, float(field_of_view))
            with told():
                shown = service.run(Choice(source, int(scene_scale), files), settings)  # type: ignore[arg-type]
            return (
                gr.update(visible=False),
                gr.update(visible=True),
                shown.facts,
                shown.depths,
                shown.depth_legend,
                gr.update(value=shown.errors, visible=shown.errors is not None),
                shown.error_legend,
                shown.cloud,
                gr.update(value=str(shown.result), label=f"Download the result, {shown.kind}"),
                str(shown.points),
            )

        source.change(
            lambda chosen: (gr.update(visible=chosen != OWN), gr.update(visible=chosen == OWN)),
            source, [scene_options, own_options], queue=False, api_visibility="private",
        )  # fmt: skip
        chosen = [source, scene_scale, *files]
        gr.on(
            [page.load, *(component.change for component in chosen)],
            preview, chosen, [*pictures, given], show_progress="hidden", **WORK,
        )  # fmt: skip
        button.click(
            run,
            [source, scene_scale, own_scale, weights, fill, view, *files],
            [start, results, facts, slider, depth_legend, errors, error_legend, cloud, result, points],
            show_progress_on=[start, facts, slider],
            **WORK,
        )
    for component in page.blocks.values():
        if isinstance(component, gr.components.Component):
            refuse_addresses(component)
    return page


def refuse_addresses(field: Any) -> None:
    """Take uploads only: Gradio would also fetch any http address that a visitor names."""
    take = field.async_move_resource_to_block_cache

    async def take_upload(path: Any) -> Any:
        if "://" in str(path):
            raise gr.Error("files must be uploaded", print_exception=False)
        return await take(path)

    field.async_move_resource_to_block_cache = take_upload


def serve(page: Any, folder: Path, host: str, port: int | None, local: bool) -> str:
    """Start serving the page in the background; `folder` and `local` as in `Guard`.

    Returns
    -------
    Its address.

    Raises
    ------
    OSError
        If the port, or every one that was tried, is taken.
    """
    page.queue(max_size=QUEUE, default_concurrency_limit=1, api_open=False)
    _, address, _ = page.launch(
        server_name=host, server_port=port, share=False, show_error=False, max_file_size=MAX_BYTES, quiet=True,
        prevent_thread_lock=True, ssr_mode=False, enable_monitoring=False, footer_links=[], run_history=False,
        state_session_capacity=SESSIONS,
        css_paths=HERE / "page.css", app_kwargs={"middleware": [Middleware(Guard, folder=folder, local=local)]},
        theme=gr.themes.Default(primary_hue="orange", neutral_hue="slate", font=FONTS[0], font_mono=FONTS[1]),
    )  # fmt: skip
    return str(address)


@contextmanager
def told() -> Iterator[None]:
    """Refusals as messages on the page; of other errors it shows only that there was one."""
    try:
        yield
    except Refusal as error:
        raise gr.Error(html.escape(str(error)), print_exception=False) from error
