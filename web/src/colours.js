// Depth in colours as the package paints it: bridgenet_infer/visualise.py. The colour table comes with the page's files.

const [NEAR_PERCENTILE, FAR_PERCENTILE] = [1, 99];
const LEAST = 1e-12; // of a span, so that depth of one value has a colour too

/** The least and greatest depth that colours tell apart. */
export function depthSpan(depth, valid) {
  const values = Float64Array.from(depth.filter((_, i) => valid[i])).sort();
  if (!values.length) return [1, 1];
  return [NEAR_PERCENTILE, FAR_PERCENTILE].map((percentile) => {
    const place = (percentile / 100) * (values.length - 1), low = Math.floor(place);
    return values[low] + (place - low) * (values[Math.min(low + 1, values.length - 1)] - values[low]);
  });
}

/** (H, W) -> RGBA bytes: near is bright, on a logarithmic scale, and holes are grey. */
export function paint(depth, valid, span, { table, hole }) {
  const pixels = new Uint8ClampedArray(4 * depth.length);
  const far = Math.log(span[1]), extent = far - Math.log(span[0]) || LEAST;
  for (let i = 0; i < depth.length; i++) {
    const level = depth[i] > 0 ? (far - Math.log(depth[i])) / extent : 0;
    const [red, green, blue] = valid[i] ? table[Math.floor(Math.min(Math.max(level, 0), 1) * 255)] : hole;
    pixels.set([red, green, blue, 255], 4 * i);
  }
  return pixels;
}

/** The table as a CSS gradient, from its brightest colour to black. */
export function gradient({ table }, stops = 9) {
  const colours = Array.from({ length: stops }, (_, i) => table[Math.round((255 * (stops - 1 - i)) / (stops - 1))]);
  return `linear-gradient(to right, ${colours.map((colour) => `rgb(${colour})`).join(", ")})`;
}
