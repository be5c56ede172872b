// Body of the function that the page calls once with `element`, `props` and `watch`: two point clouds side by side, drawn
// with a z-buffer of our own (no WebGL, nothing to download), swinging until somebody takes hold of them.
const BACKGROUND = 0xff1c1714; // ABGR
const SWING = 0.42, TILT = -0.1; // radians
const PERIOD = 9000, FRAME = 30; // milliseconds
const MARGIN = 1.2; // how much smaller than the pane the image is at first
const STEP = 0.1, NEARER = 1.2; // of a key: radians, and times the size
const KEYS = {
  ArrowLeft: () => turn(-STEP, 0), ArrowRight: () => turn(STEP, 0), ArrowUp: () => turn(0, STEP),
  ArrowDown: () => turn(0, -STEP), "+": () => enlarge(NEARER), "-": () => enlarge(1 / NEARER), Home: () => reset(true),
};
let scene = null, yaw = 0, pitch = TILT, zoom = 1, held = null, free = true, began = performance.now();
let stale = true, drawn = 0; // whether there is something new to draw, and when that was done last
const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

function load() {
  scene = props.value ? JSON.parse(props.value) : null;
  if (!scene) {
    const canvas = element.querySelector("canvas");
    canvas.width = canvas.width; // clears it
    return;
  }
  scene.colours = bytes(scene.colours);
  for (const cloud of scene.clouds) {
    const steps = new Int16Array(bytes(cloud.points).buffer);
    cloud.points = Float32Array.from(steps, (step) => step * scene.unit);
  }
  yaw = 0;
  reset(!still);
}

function reset(swing) {
  free = swing; pitch = TILT; zoom = 1; began = performance.now(); stale = true;
}

function turn(aside, up) {
  yaw += aside;
  pitch = Math.min(Math.max(pitch + up, -1.2), 1.2);
  free = false; stale = true;
}

function enlarge(times) {
  zoom = Math.min(Math.max(zoom * times, 0.4), 8);
  stale = true;
}

function drawCloud(pixels, depths, width, left, paneWidth, height, cloud) {
  const { colours, focal, spacing } = scene, points = cloud.points;
  const scale = focal * Math.min(paneWidth, height * scene.aspect) * zoom / MARGIN;
  const cy = Math.cos(yaw), sy = Math.sin(yaw), cp = Math.cos(pitch), sp = Math.sin(pitch);
  const centreX = left + paneWidth / 2, centreY = height / 2, right = left + paneWidth;
  for (let i = 0; i < points.length; i += 3) {
    const x = points[i], y = points[i + 1], z = points[i + 2] - 1; // turned around the median depth
    const x1 = cy * x + sy * z, z1 = cy * z - sy * x;
    const y2 = cp * y - sp * z1, z2 = cp * z1 + sp * y + 1;
    if (z2 < 0.05) continue;
    const near = scale / z2, side = Math.min(Math.max(Math.ceil(points[i + 2] * spacing / focal * near), 1), 4);
    const column = Math.round(centreX + x1 * near), row = Math.round(centreY + y2 * near);
    if (column < left || row < 0 || column + side > right || row + side > height) continue;
    const colour = 0xff000000 | (colours[i + 2] << 16) | (colours[i + 1] << 8) | colours[i];
    for (let v = row; v < row + side; v++)
      for (let u = column; u < column + side; u++) {
        const place = v * width + u;
        if (z2 < depths[place]) { depths[place] = z2; pixels[place] = colour; }
      }
  }
}

function draw(now) {
  if (!element.isConnected) return;
  requestAnimationFrame(draw);
  const canvas = element.querySelector("canvas");
  if (!canvas || !canvas.clientWidth || !scene || now - drawn < FRAME) return; // on a hidden tab, or too early
  const width = Math.min(canvas.clientWidth, 1400), height = Math.min(canvas.clientHeight, 900);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; stale = true; }
  if (!free && !stale) return;
  stale = false;
  drawn = now;
  if (free) yaw = SWING * Math.sin((now - began) / PERIOD * 2 * Math.PI);
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer).fill(BACKGROUND);
  const depths = new Float32Array(width * height).fill(Infinity);
  const pane = Math.floor(width / scene.clouds.length);
  scene.clouds.forEach((cloud, i) => drawCloud(pixels, depths, width, i * pane, pane, height, cloud));
  context.putImageData(image, 0, 0);
  context.font = "600 15px system-ui, sans-serif";
  scene.clouds.forEach((cloud, i) => {
    context.fillStyle = "#fff";
    context.fillText(cloud.name, i * pane + 14, 26);
    context.fillStyle = "#ffffff40";
    if (i) context.fillRect(i * pane, 0, 1, height);
  });
}

element.addEventListener("pointerdown", (event) => {
  if (event.target.tagName !== "CANVAS") return;
  held = [event.clientX, event.clientY];
  free = false;
  event.target.setPointerCapture(event.pointerId);
});
element.addEventListener("pointermove", (event) => {
  if (!held) return;
  turn((event.clientX - held[0]) / 200, (held[1] - event.clientY) / 200);
  held = [event.clientX, event.clientY];
});
for (const name of ["pointerup", "pointercancel"]) element.addEventListener(name, () => { held = null; });
element.addEventListener("dblclick", () => reset(true));
element.addEventListener("wheel", (event) => {
  if (event.target.tagName !== "CANVAS") return;
  event.preventDefault();
  enlarge(Math.exp(-event.deltaY / 800));
}, { passive: false });
element.addEventListener("keydown", (event) => {
  if (event.target.tagName !== "CANVAS" || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});

watch("value", load);
load();
requestAnimationFrame(draw);
