"""The promises of ARCHITECTURE.md: directions of imports, a core without extras, sizes, and drawings up to date."""

import ast
import configparser
import re
import runpy
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TREES = ("bridgenet_infer", "simulation", "datasets", "training", "benchmarks", "testing", "robustness", "examples",
         "web")  # fmt: skip
STEPS = [
    "pipeline.validate", "pipeline.frame", "pipeline.tile", "pipeline.crop", "backends.run", "pipeline.blend",
    "pipeline.restore", "pipeline.engine", "upsampler",
]  # fmt: skip
ROOMS = [
    "arrays", "files", "graph", "backends", "tiff", "read", "visualise", "write", "pipeline", "weights", "lens",
    "geometry", "registration", "alignment", "upsampler", "temporal", "stream", "scans", "cli", "export", "demo", "ros",
    "bags",
]  # fmt: skip
ABOVE = ("cli", "demo", "ros", "bags", "export")
LARGEST = 350
IMPORT_NAMES = {"pillow": "PIL", "opencv-python-headless": "cv2"}
LAZY = {"openvino.py": {"openvino"}, "record3d.py": {"lzfse"}}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    return {module_name(path): path for tree in TREES for path in sorted((ROOT / tree).rglob("*.py"))}


@cache
def imports(name: str) -> frozenset[str]:
    """Full names of all that a module imports, anywhere in it: modules where they are ours, else what is written."""
    path, found = modules()[name], set()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            full = {f"{base}.{alias.name}" for alias in node.names}
            found |= {each if each in modules() else base for each in full}
    return frozenset(found)


def test_the_reader_of_imports_sees_what_there_is() -> None:
    assert {"bridgenet_infer.pipeline.frame", "bridgenet_infer.pipeline.tile", "torch.nn.functional"} <= imports(
        "bridgenet_infer.pipeline.crop"
    )
    assert "bridgenet_infer.weights.hub" in imports("bridgenet_infer.cli.doctor")
    assert "bridgenet_infer" in imports("bridgenet_infer.cli.options")


def test_nothing_is_imported_in_a_circle() -> None:
    # the package's front door names what it opens to: that is for type checkers alone
    graph = {name: imports(name) & modules().keys() - {name, "bridgenet_infer"} for name in modules()}
    TopologicalSorter(graph).prepare()


def test_each_step_imports_only_those_before_it() -> None:
    for place, step in enumerate(STEPS):
        later = {f"bridgenet_infer.{name}" for name in STEPS[place:]}
        assert not imports(f"bridgenet_infer.{step}") & later, step


def test_the_graph_knows_nothing_else_of_the_package() -> None:
    for name in modules():
        if name.startswith("bridgenet_infer.graph."):
            ours = {other for other in imports(name) if other.startswith("bridgenet_infer")}
            assert all(other.startswith("bridgenet_infer.graph") for other in ours), name


def room(name: str) -> str:
    """The room of a module: a folder or module of the package, a folder of benchmarks or campaigns, or another tree."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] in ("bridgenet_infer", "benchmarks", "robustness") else parts[0]


def test_rooms_of_the_package_import_only_those_below_them() -> None:
    ours = [name for name in modules() if name.startswith("bridgenet_infer.")]
    assert {room(name) for name in ours} == {f"bridgenet_infer.{name}" for name in ROOMS}
    for name in ours:
        assert not {other.split(".")[0] for other in imports(name)} & set(TREES[1:]), f"{name} imports what stays here"
        rooms = {room(other) for other in imports(name) if other.startswith("bridgenet_infer.")}
        places = [ROOMS.index(other.split(".")[1]) for other in rooms]
        assert max(places, default=0) <= ROOMS.index(name.split(".")[1]), f"{name} imports a room above its own"


def test_rooms_have_no_circles() -> None:
    graph: dict[str, set[str]] = {}
    for name in modules():
        others = {room(other) for other in imports(name) & modules().keys()}
        graph[room(name)] = graph.get(room(name), set()) | others - {room(name), "bridgenet_infer"}
    TopologicalSorter(graph).prepare()


def test_the_core_needs_only_what_is_installed_with_it() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    names = [re.split(r"[><=;\[ ]", line)[0] for line in setup["options"]["install_requires"].split()]
    allowed = {IMPORT_NAMES.get(name, name) for name in names} | set(sys.stdlib_module_names) | {"bridgenet_infer"}
    for name, path in modules().items():
        if name.startswith("bridgenet_infer") and name.split(".")[1:2] not in [[above] for above in ABOVE]:
            assert {each.split(".")[0] for each in imports(name)} <= allowed | LAZY.get(path.name, set()), name


def test_the_api_and_the_command_start_without_any_extra() -> None:
    """With every extra made impossible to import."""
    blocked = ["openvino", "onnx", "gradio", "rosbags", "ray", "matplotlib", "trimesh", "nncf", "rospy", "rclpy"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked}));"
        "import bridgenet_infer.upsampler, bridgenet_infer.cli.command, bridgenet_infer.cli.process,"
        "bridgenet_infer.stream, bridgenet_infer.ros.node, bridgenet_infer.registration;"
        "bridgenet_infer.upsampler.DepthUpsampler.from_pretrained('default')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_no_module_is_too_long() -> None:
    files = [path for tree in (*TREES, "tests", "docs") for path in (ROOT / tree).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert len(lengths) > 100
    assert {name: length for name, length in lengths.items() if length > LARGEST} == {}


@pytest.mark.parametrize("name", ["graph", "flow"])
def test_the_drawings_are_what_their_scripts_draw(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    draw = runpy.run_path(str(ROOT / "docs" / f"draw_{name}.py"))["draw"]
    assert (ROOT / "docs" / f"{name}.svg").read_text() == draw()


def test_the_drawing_of_the_flow_names_modules_that_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    boxes = runpy.run_path(str(ROOT / "docs" / "draw_flow.py"))["BOXES"]
    for name in boxes:
        assert any(known.rpartition(".")[2] == name for known in modules() if known.startswith("bridgenet_infer")), name
