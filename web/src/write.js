// The result as a file in the dtype and unit of the depth that came in.
import { encode } from "fast-png";
import { writeNpy } from "./read/arrays.js";

const PNG_BITS = { uint8: 8, uint16: 16 };

/** The file, its name, and its kind for the link. */
export function depthFile(depth, scale) {
  const name = `depth_x${Number(scale.toPrecision(6))}`, bits = PNG_BITS[depth.dtype];
  if (!bits) return { file: new Blob(writeNpy(depth)), name: `${name}.npy`, kind: `${depth.dtype} NPY` };
  const [height, width] = depth.shape;
  const bytes = encode({ width, height, data: depth.data, depth: bits, channels: 1 });
  return { file: new Blob([bytes]), name: `${name}.png`, kind: `${bits}-bit PNG` };
}
