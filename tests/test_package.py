"""The wheel: what is in it, and that the installed package finds manifest and weights without the source tree."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.startswith("bridgenet_infer-")} == {"bridgenet_infer"}
    for needed in ("py.typed", "checkpoints/default.safetensors", "demo/page.css", "demo/cloud.js"):
        assert f"bridgenet_infer/{needed}" in names
    for shared in ("weights_manifest.json", "examples/desk/rgb.png", "examples/street/depth.png"):
        assert any(name.endswith(f"/data/share/bridgenet-infer/{shared}") for name in names)
    assert wheel.stat().st_size < 40 * 2**20


def test_an_installed_wheel_finds_its_weights_and_scenes(wheel: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "install", "--no-deps", "--prefix", str(tmp_path / "prefix"), "--ignore-installed", str(wheel)],
        check=True,
    )
    site = next((tmp_path / "prefix").rglob("site-packages"))
    code = (
        "import bridgenet_infer.weights as w; print(w.__file__); print(w.manifest_path());"
        "print(w.load_weights('default').name);"
        "import bridgenet_infer.demo.scenes as s; print(s.scene_folder()); print(s.load_scene('street').unit)"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    module, manifest, name, scenes, unit = done.stdout.split()
    assert module.startswith(str(site))
    assert manifest.startswith(str(tmp_path))
    assert (name, unit) == ("default", "mm")
    assert scenes.startswith(str(tmp_path))
