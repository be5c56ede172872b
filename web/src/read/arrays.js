// The readers of arrays, NPY and PFM, and the writer of NPY.
import { getFloat16, setFloat16 } from "@petamoriken/float16";
import { Refusal, tuple } from "./refusal.js";

const KINDS = { u: "uint", i: "int", f: "float", b: "bool", c: "complex" };
const SAMPLES = {
  uint8: [Uint8Array, "getUint8"],
  uint16: [Uint16Array, "getUint16"],
  uint32: [Uint32Array, "getUint32"],
  int16: [Int16Array, "getInt16"],
  int32: [Int32Array, "getInt32"],
  float16: [Float32Array, null], // browsers do not all have a type for it
  float32: [Float32Array, "getFloat32"],
  float64: [Float64Array, "getFloat64"],
};
const HEADER = /'descr': *'([<>|=])([a-zA-Z])(\d+)', *'fortran_order': *(True|False), *'shape': *\(([\d, ]*)\)/;
const PFM = /^P([Ff])\s+(\d+)\s+(\d+)\s+([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s/;
const latin = (bytes) => String.fromCharCode(...bytes);

/** Samples of a depth type in the machine's byte order. */
function samples(bytes, count, dtype, little) {
  const [Kind, get] = SAMPLES[dtype], data = new Kind(count), size = sampleBytes(dtype);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < count; i++)
    data[i] = get ? view[get](i * size, little) : getFloat16(view, i * size, little);
  return data;
}

export const sampleBytes = (dtype) => Number(dtype.match(/\d+/)[0]) / 8;

/** Depth of an .npy file; its type may be one that the package refuses, and then it has no data. */
export function readNpy(bytes) {
  const damaged = (why) => new Refusal(`cannot be read as a NumPy array: ${why}`);
  if (bytes.length < 12 || latin(bytes.subarray(0, 6)) !== "\x93NUMPY") throw damaged("it has no header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [start, length] = bytes[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  const header = latin(bytes.subarray(start, start + Math.min(length, 4096))).match(HEADER);
  if (!header || !(header[2] in KINDS)) throw damaged("its header names no array of numbers");
  const shape = header[5].split(",").filter((text) => text.trim()).map(Number);
  const kind = KINDS[header[2]], dtype = kind === "bool" ? kind : kind + 8 * header[3];
  if (shape.length !== 2) throw new Refusal(`depth must be (h, w), got ${dtype} ${tuple(shape)}`);
  const [height, width] = shape, count = height * width, content = bytes.subarray(start + length);
  if (content.length < count * header[3]) throw damaged("it ends early");
  if (!(dtype in SAMPLES)) return { data: null, shape, dtype };
  const data = samples(content, count, dtype, header[1] !== ">");
  return { data: header[4] === "True" ? transposed(data, width, height) : data, shape, dtype };
}

function transposed(data, height, width) {
  const turned = data.slice();
  for (let i = 0; i < height; i++) for (let j = 0; j < width; j++) turned[j * height + i] = data[i * width + j];
  return turned;
}

/** Depth of a .pfm file, its lowest row first; the scale of the header is its byte order alone. */
export function readPfm(bytes) {
  const header = latin(bytes.subarray(0, 200)).match(PFM);
  if (!header) throw new Refusal("cannot be decoded as an image");
  const [width, height] = [Number(header[2]), Number(header[3])], shape = [height, width];
  if (header[1] === "F") throw new Refusal(`depth must be (h, w), got float32 ${tuple([...shape, 3])}`);
  const content = bytes.subarray(header[0].length);
  if (content.length < 4 * width * height) throw new Refusal("cannot be decoded as an image");
  const rows = samples(content, width * height, "float32", header[4].startsWith("-")), data = rows.slice();
  for (let i = 0; i < height; i++)
    data.set(rows.subarray((height - 1 - i) * width, (height - i) * width), i * width);
  return { data, shape, dtype: "float32" };
}

/** An .npy file of (H, W) samples in the machine's byte order, which is little-endian wherever browsers run. */
export function writeNpy({ data, shape, dtype }) {
  const kind = Object.keys(KINDS).find((letter) => dtype.startsWith(KINDS[letter])), size = sampleBytes(dtype);
  const words = `{'descr': '${size > 1 ? "<" : "|"}${kind}${size}', 'fortran_order': False, 'shape': ${tuple(shape)}, }`;
  const header = words.padEnd(Math.ceil((words.length + 11) / 64) * 64 - 11) + "\n";
  const start = Uint8Array.from(`\x93NUMPY\x01\x00${String.fromCharCode(header.length & 255, header.length >> 8)}${header}`,
    (letter) => letter.charCodeAt(0));
  if (dtype !== "float16") return [start, data];
  const halves = new DataView(new ArrayBuffer(2 * data.length));
  data.forEach((value, i) => setFloat16(halves, 2 * i, value, true));
  return [start, halves.buffer];
}
