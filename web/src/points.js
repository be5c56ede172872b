// Point clouds as bridgenet_infer/demo/cloud.py makes them: a small one for the canvas, a whole one as a PLY file.

const CANVAS_POINTS = 80_000; // drawn by the browser's CPU, twice, many times a second
const PLY_POINTS = 2_000_000;
const FARTHEST = 3; // times the median depth: beyond it points are left out, sky and horizon would fill the canvas
const PLY_HEADER = (count) => `ply
format binary_little_endian 1.0
element vertex ${count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
`;

/** The pixels of a grid that has `limit` pixels at most, and the camera that sees them. */
function thin([height, width], limit, fieldOfView, keep) {
  const step = Math.max(Math.ceil(Math.sqrt((height * width) / limit)), 1);
  const focal = width / (2 * Math.tan((fieldOfView * Math.PI) / 360));
  const places = [];
  for (let row = 0; row < height; row += step)
    for (let column = 0; column < width; column += step)
      if (keep(row * width + column)) places.push(row * width + column);
  return { places, step, focal };
}

/** (n, 3) points one after the other, in the unit of the depth: x right, y down, z forward. */
function toPoints({ places, focal }, depth, [height, width]) {
  const points = new Float64Array(3 * places.length);
  places.forEach((place, i) => {
    const column = place % width, row = (place - column) / width, z = depth[place];
    points[3 * i] = ((column - (width - 1) / 2) / focal) * z;
    points[3 * i + 1] = ((row - (height - 1) / 2) / focal) * z;
    points[3 * i + 2] = z;
  });
  return points;
}

function toColours(places, rgb) {
  const colours = new Uint8Array(3 * places.length);
  places.forEach((place, i) => {
    for (let c = 0; c < 3; c++) colours[3 * i + c] = rgb[3 * place + c];
  });
  return colours;
}

function median(values) {
  const sorted = Float64Array.from(values).sort(), middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const base64 = (bytes) => {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
};

/** What cloud.js draws, as JSON: clouds of the same pixels, by caption; the last one decides on distance and size. */
export function canvasCloud(rgb, depths, valid, size, fieldOfView) {
  const last = Object.values(depths).at(-1), measured = last.filter((_, i) => valid[i]);
  if (!measured.length) return "";
  const pivot = median(measured);
  const thinned = thin(size, CANVAS_POINTS, fieldOfView, (i) => valid[i] && last[i] < FARTHEST * pivot);
  if (!thinned.places.length) return "";
  const clouds = Object.entries(depths).map(([name, depth]) => [name, toPoints(thinned, depth, size)]);
  const unit = (clouds.at(-1)[1].reduce((most, x) => Math.max(most, Math.abs(x)), 0) * 1.25) / 32767;
  const steps = (points) => Int16Array.from(points, (x) => Math.min(Math.max(Math.round(x / unit), -32767), 32767));
  return JSON.stringify({
    unit: unit / pivot,
    focal: thinned.focal / size[1],
    spacing: thinned.step / size[1],
    aspect: size[1] / size[0],
    colours: base64(toColours(thinned.places, rgb)),
    clouds: clouds.map(([name, points]) => ({ name, points: base64(new Uint8Array(steps(points).buffer)) })),
  });
}

/** Valid pixels as a binary PLY file, in the unit of the depth. */
export function cloudFile(rgb, depth, valid, size, fieldOfView) {
  const thinned = thin(size, PLY_POINTS, fieldOfView, (i) => valid[i]), count = thinned.places.length;
  const points = toPoints(thinned, depth, size), colours = toColours(thinned.places, rgb);
  const vertices = new DataView(new ArrayBuffer(15 * count));
  for (let i = 0; i < count; i++)
    for (let c = 0; c < 3; c++) {
      vertices.setFloat32(15 * i + 4 * c, points[3 * i + c], true);
      vertices.setUint8(15 * i + 12 + c, colours[3 * i + c]);
    }
  return [PLY_HEADER(count), vertices.buffer];
}
