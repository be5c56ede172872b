"""A small ray-caster, which renders RGB and exact metric depth of scenes of simple shapes."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import trimesh

from bridgenet_infer.arrays import Array
from bridgenet_infer.geometry import camera_matrix, intrinsic_matrix

Rng = np.random.Generator
LIGHT = np.array([-0.45, -0.8, -0.4]) / np.linalg.norm([-0.45, -0.8, -0.4])  # towards the light; y points down
FOG_COLOUR = np.array([0.62, 0.72, 0.85])


@dataclass(frozen=True)
class Camera:
    """Pinhole camera: x right, y down, z forward; pixel centres at whole numbers."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @property
    def matrix(self) -> Array:
        """(3, 3)."""
        return intrinsic_matrix(self.fx, self.fy, self.cx, self.cy)

    def rays(self, offset: tuple[float, float] = (0.0, 0.0)) -> Array:
        """(H * W, 3) directions with z = 1, so that ray length times z is the depth."""
        y, x = np.mgrid[: self.height, : self.width].astype(np.float64)
        x, y = (x + offset[0] - self.cx) / self.fx, (y + offset[1] - self.cy) / self.fy
        return np.stack((x, y, np.ones_like(x)), -1).reshape(-1, 3)


@dataclass(frozen=True)
class Material:
    """Surface colour as a function of the hit point: plain, checks, stripes or smooth noise of one pitch."""

    colour: Array
    tint: Array
    kind: str
    pitch: float  # metres
    phase: Array


@dataclass(frozen=True)
class Scene:
    """One triangle mesh; `owner` (faces,) indexes `materials`."""

    mesh: trimesh.Trimesh
    owner: Array
    materials: tuple[Material, ...]


def default_camera(width: int = 640, height: int = 480) -> Camera:
    """A 60 degree camera."""
    matrix = camera_matrix((height, width), 60)
    return Camera(width, height, matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])


def render(scene: Scene, camera: Camera, pose: Array | None = None, seed: int = 0) -> tuple[Array, Array]:
    """Cast one depth ray and four colour rays per pixel.

    Parameters
    ----------
    pose
        4x4 camera-to-world; the identity if None.
    seed
        Of the sensor noise in RGB.

    Returns
    -------
    RGB (H, W, 3) uint8, and z-depth (H, W) float32 metres at pixel centres, 0 where nothing is hit.
    """
    pose = np.eye(4) if pose is None else pose
    shape = (camera.height, camera.width)
    colour = np.zeros((*shape, 3))
    for offset in ((-0.25, -0.25), (-0.25, 0.25), (0.25, -0.25), (0.25, 0.25)):
        rays = camera.rays(offset) @ pose[:3, :3].T
        colour += _shade(scene, pose[:3, 3], rays).reshape(*shape, 3) / 4
    rng = np.random.default_rng(seed)
    colour = cv2.GaussianBlur(colour, (0, 0), 0.6) + rng.normal(0, 0.008, colour.shape)
    rgb = (np.clip(colour, 0, 1) ** (1 / 1.8) * 255 + 0.5).astype(np.uint8)
    return rgb, render_depth(scene, camera, pose)


def render_depth(scene: Scene, camera: Camera, pose: Array | None = None) -> npt.NDArray[np.float32]:
    """The depth of `render` alone: (H, W) metres, 0 where nothing is hit."""
    pose = np.eye(4) if pose is None else pose
    depth, _ = _cast(scene, pose[:3, 3], camera.rays() @ pose[:3, :3].T)
    return depth.reshape(camera.height, camera.width).astype(np.float32)


def _cast(scene: Scene, origin: Array, rays: Array) -> tuple[Array, Array]:
    """Ray parameter at the first hit (0: none) and the face hit (-1: none); in float64, not Embree's float32."""
    origins = np.broadcast_to(origin, rays.shape)
    faces = np.asarray(scene.mesh.ray.intersects_first(origins, rays))
    hit = faces >= 0
    normals = scene.mesh.face_normals[faces]
    corners = scene.mesh.triangles[faces, 0]
    distance = np.einsum("ij,ij->i", normals, corners - origins)
    slope = np.einsum("ij,ij->i", normals, rays)
    hit &= np.abs(slope) > 1e-12
    return np.where(hit, distance / np.where(hit, slope, 1), 0), np.where(hit, faces, -1)


def _shade(scene: Scene, origin: Array, rays: Array) -> Array:
    """Textured Lambert surfaces under one shadowing light, a soft ambient gradient and a little haze."""
    depth, faces = _cast(scene, origin, rays)
    hit = faces >= 0
    colour: Array = np.array(np.broadcast_to(FOG_COLOUR, rays.shape))
    if not hit.any():
        return colour
    points = origin + depth[hit, None] * rays[hit]
    normals = scene.mesh.face_normals[faces[hit]]
    normals = np.where(np.einsum("ij,ij->i", normals, rays[hit])[:, None] > 0, -normals, normals)
    lambert = np.clip(normals @ LIGHT, 0, 1)
    lambert *= ~scene.mesh.ray.intersects_any(points + 2e-3 * normals, np.broadcast_to(LIGHT, points.shape))
    light = 0.32 - 0.14 * normals[:, 1] + 0.75 * lambert
    haze = np.clip(depth[hit] / 150, 0, 0.6)[:, None]
    surface = _surface_colour(scene, scene.owner[faces[hit]], points)
    colour[hit] = surface * light[:, None] * (1 - haze) + FOG_COLOUR * haze
    return colour


def _surface_colour(scene: Scene, owners: Array, points: Array) -> Array:
    colour = np.empty_like(points)
    for index in np.unique(owners):
        chosen, material = owners == index, scene.materials[index]
        u = points[chosen] / material.pitch + material.phase
        if material.kind == "checks":
            pattern = np.sign(np.prod(np.sin(np.pi * u + 0.37), axis=1))
        elif material.kind == "stripes":
            pattern = np.sign(np.sin(2 * np.pi * (u @ np.array([0.8, 0.5, 0.33]))))
        elif material.kind == "noise":
            waves = [np.sin(2 * np.pi * 1.9**k * (u @ np.roll([0.9, 0.41, 0.17], k)) + 3 * k) for k in range(5)]
            pattern = np.prod([1 + 0.5 * wave for wave in waves], axis=0) - 1
        else:
            pattern = np.zeros(len(u))
        colour[chosen] = material.colour + pattern[:, None] * material.tint
    return np.clip(colour, 0.01, 1)


class SceneBuilder:
    """Collects meshes and materials, then welds them into one `Scene`."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.meshes: list[trimesh.Trimesh] = []
        self.materials: list[Material] = []

    def add(
        self, mesh: trimesh.Trimesh, position: Array | list[float], material: Material, turn: Array | None = None
    ) -> None:
        """Place a mesh; `turn` is a 4x4 rotation about its own origin."""
        mesh = mesh.copy()
        if turn is not None:
            mesh.apply_transform(turn)
        mesh.apply_translation(position)
        self.meshes.append(mesh)
        self.materials.append(material)

    def material(
        self, pitch: float, colour: Array | list[float] | None = None, kind: str | None = None, contrast: float = 1.0
    ) -> Material:
        """A random material; `pitch` in metres sets the size of its pattern."""
        base = self.rng.uniform(0.12, 0.75) + self.rng.normal(0, 0.13, 3) if colour is None else np.asarray(colour)
        chosen = kind or str(self.rng.choice(["plain", "checks", "stripes", "noise"], p=[0.35, 0.15, 0.2, 0.3]))
        tint = (self.rng.normal(0, 0.06, 3) + self.rng.choice([-0.1, 0.1])) * contrast
        return Material(np.clip(base, 0.05, 0.9), tint, chosen, pitch, self.rng.uniform(0, 1, 3))

    def turn(self) -> Array:
        """A random rotation about the vertical axis."""
        return np.asarray(trimesh.transformations.rotation_matrix(self.rng.uniform(0, np.pi), [0, 1, 0]))

    def scene(self) -> Scene:
        """Everything added so far."""
        owner = np.concatenate([np.full(len(mesh.faces), i) for i, mesh in enumerate(self.meshes)])
        return Scene(trimesh.util.concatenate(self.meshes), owner, tuple(self.materials))


def build_scene(seed: int, kind: Literal["indoor", "outdoor"] = "indoor") -> Scene:
    """A random scene before the identity camera.

    Parameters
    ----------
    kind
        "indoor": a cluttered table before a wall, 0.5 to 3.5 m. "outdoor": a street, 0.5 to 80 m, with sky.
    """
    builder = SceneBuilder(seed)
    (_build_indoor if kind == "indoor" else _build_outdoor)(builder)
    return builder.scene()


def _upright(radius: float, height: float) -> trimesh.Trimesh:
    cylinder = trimesh.creation.cylinder(radius, height, sections=48)
    cylinder.apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0]))
    return cylinder


def _build_indoor(builder: SceneBuilder) -> None:
    rng, table = builder.rng, 0.55  # height of the table top below the camera, metres
    wall = builder.material(0.35, [0.55, 0.5, 0.42], "noise", 0.35)
    builder.add(trimesh.creation.box([9, 7, 0.1]), [0, 0, 3.3], wall)
    builder.add(
        trimesh.creation.box([6, 0.05, 3]),
        [0, table + 0.025, 2.1],
        builder.material(0.3, [0.45, 0.3, 0.2], "stripes", 0.5),
    )
    for depth in np.linspace(2.6, 0.95, 11):
        x = rng.uniform(-0.55, 0.55) * depth
        size = rng.uniform(0.08, 0.2)
        # every fourth object has the wall's colour: its edge shows in shading only
        material = builder.material(rng.uniform(0.03, 0.12), wall.colour if rng.random() < 0.25 else None)
        shape = rng.choice(["box", "ball", "can", "ring", "rods"])
        if shape == "box":
            height = size * rng.uniform(0.6, 2.5)
            box = trimesh.creation.box([size * rng.uniform(0.7, 1.8), height, size])
            builder.add(box, [x, table - height / 2, depth], material, builder.turn())
        elif shape == "ball":
            builder.add(trimesh.creation.icosphere(4, size * 0.7), [x, table - size * 0.7, depth], material)
        elif shape == "can":
            height = size * rng.uniform(1, 2.5)
            builder.add(_upright(size * 0.5, height), [x, table - height / 2, depth], material)
        elif shape == "ring":
            ring = trimesh.creation.torus(size, size * 0.18, 48, 24)
            builder.add(ring, [x, table - size * 1.18, depth], material, builder.turn())
        else:
            for _ in range(5):
                lean = trimesh.transformations.rotation_matrix(
                    rng.uniform(-0.35, 0.35), [rng.random(), 0, rng.random()]
                )
                builder.add(_upright(0.006, 0.55), [x + rng.normal(0, 0.03), table - 0.27, depth], material, lean)
    _add_fence(builder, [-0.62, table, 1.25], 0.5, 0.42, 0.045, 0.012)


def _add_fence(builder: SceneBuilder, foot: list[float], width: float, height: float, pitch: float, bar: float) -> None:
    """A lattice of bars one can look through."""
    material = builder.material(0.05)
    for x in np.arange(0, width + 1e-6, pitch):
        builder.add(trimesh.creation.box([bar, height, bar]), [foot[0] + x, foot[1] - height / 2, foot[2]], material)
    for y in (0.08 * height, 0.5 * height, 0.92 * height):
        rail = trimesh.creation.box([width, bar, bar])
        builder.add(rail, [foot[0] + width / 2, foot[1] - y, foot[2] + bar], material)


def _build_outdoor(builder: SceneBuilder) -> None:
    rng, ground = builder.rng, 1.6  # camera height, metres
    builder.add(
        trimesh.creation.box([200, 0.1, 78]),
        [0, ground + 0.05, 41],
        builder.material(1.5, [0.33, 0.33, 0.32], "noise", 0.4),
    )
    for side in (-1, 1):
        for z in np.arange(8, 78, 9.0):
            size = rng.uniform([6, 5, 6], [9, 14, 8.5])
            place = [side * (rng.uniform(6, 9) + size[0] / 2), ground - size[1] / 2, z + rng.uniform(0, 2)]
            builder.add(trimesh.creation.box(size), place, builder.material(1.8))
        for z in np.arange(4, 70, 11.0):
            builder.add(_upright(0.09, 5.5), [side * 4.2, ground - 2.75, z], builder.material(0.5, None, "plain"))
    for z in (5.5, 9.5, 15, 24, 40):
        x = rng.uniform(-2.8, 2.8)
        builder.add(trimesh.creation.box([1.7, 1.4, 3.4]), [x, ground - 0.7, z], builder.material(0.8), builder.turn())
    builder.add(trimesh.creation.icosphere(4, 0.22), [-0.33, 0.35, 1.1], builder.material(0.1))
    for x in (0.42, 0.5, 0.62):
        builder.add(_upright(0.008, 1.2), [x, 0.4, 0.85], builder.material(0.1, None, "plain"))
    _add_fence(builder, [0.9, ground, 2.6], 1.8, 1.1, 0.16, 0.03)


def raycast_pair(seed: int, index: int, size: int) -> tuple[Array, Array]:
    """One square training pair from a random scene and pose, the same for the same arguments.

    Returns
    -------
    RGB (size, size, 3) uint8 and disparity (size, size) float32 in grey levels 0..255: near is high, the sky is low.
    """
    rng = np.random.default_rng((seed, index))
    kind: Literal["indoor", "outdoor"] = "indoor" if rng.random() < 0.75 else "outdoor"
    pitch, yaw, roll = np.radians(rng.uniform([-25, -20, -8], [5, 20, 8]))
    pose = trimesh.transformations.euler_matrix(pitch, yaw, roll)
    pose[:3, 3] = rng.uniform([-0.25, -0.2, -0.1], [0.25, 0.2, 0.25])
    focal = size * rng.uniform(0.9, 2.2)
    camera = Camera(size, size, focal, focal, (size - 1) / 2, (size - 1) / 2)
    rgb, depth = render(build_scene(int(rng.integers(2**31)), kind), camera, pose, index)
    disparity = 1 / np.where(depth > 0, depth, np.inf)
    low, high = np.percentile(disparity, (1, 99.5))
    grey = 10 + (disparity - low) * (rng.uniform(80, 235) / max(high - low, 1e-6))
    return rgb, np.clip(grey, 0, 255).astype(np.float32)
