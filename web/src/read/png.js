// PNG by fast-png, since the browser's own decoder gives eight bits.
import { convertIndexedToRgb, decode } from "fast-png";
import { Refusal, checkPixels, tuple } from "./refusal.js";

const MODES = { 1: "L", 2: "LA", 3: "RGB", 4: "RGBA" }; // Pillow's names, as in the package's sentences

function open(bytes) {
  const head = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length > 24) checkPixels(head.getUint32(16), head.getUint32(20));
  try {
    return decode(bytes, { checkCrc: true });
  } catch (error) {
    throw new Refusal(`cannot be read as an image: ${error.message}`);
  }
}

/** Frames of an animation; 1 without. */
function countFrames(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let place = 8; place + 12 <= bytes.length; place += 12 + view.getUint32(place)) {
    const kind = String.fromCharCode(...bytes.subarray(place + 4, place + 8));
    if (kind === "acTL") return view.getUint32(place + 8);
    if (kind === "IDAT") break;
  }
  return 1;
}

/** Depth as stored, uint8 or uint16. */
export function readDepthPng(bytes) {
  const image = open(bytes);
  const { width, height, depth } = image;
  const mode = image.palette ? "P" : image.channels === 1 && depth === 1 ? "1" : MODES[image.channels];
  if (mode !== "L")
    throw new Refusal(
      `depth must have one channel, got an image of mode ${mode}, ${tuple([width, height])}; if its channels are ` +
      "equal, keep one of them; a picture in false colours is no depth");
  if (depth < 8) throw new Refusal(`depth must have 8 or 16 bits, got a PNG of ${depth}`);
  const frames = countFrames(bytes);
  if (frames !== 1) throw new Refusal(`depth must have one page, got ${frames}`);
  return { data: image.data, shape: [height, width], dtype: `uint${depth}` };
}

/** Samples of a colour image with its number of channels; a palette and fewer than eight bits are unfolded. */
export function readColourPng(bytes) {
  const image = open(bytes);
  const { width, height, depth } = image;
  const frames = countFrames(bytes);
  if (frames !== 1) throw new Refusal(`a colour image must have one page, got ${frames}`);
  if (depth >= 8 && !image.palette) return { data: image.data, width, height, channels: image.channels };
  const most = 2 ** depth - 1;
  const greys = Array.from({ length: most + 1 }, (_, level) => Array(3).fill(Math.round((level * 255) / most)));
  const palette = (image.palette ?? greys).map((colour) => colour.slice(0, 3));
  return { data: convertIndexedToRgb({ ...image, palette }), width, height, channels: 3 };
}
