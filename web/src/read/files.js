// RGB and depth of files that somebody brings: each is checked before it is decoded.
import { Refusal, checkPixels } from "./refusal.js";
import { readNpy, readPfm } from "./arrays.js";
import { readColourPng, readDepthPng } from "./png.js";

export const RGB_SUFFIXES = [".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"];
export const DEPTH_SUFFIXES = [".png", ".tif", ".tiff", ".npy", ".pfm"];
const MAX_BYTES = 64 * 2 ** 20;
const EXIF = 0xe1; // the marker of a JPEG's segment that may hold an orientation

export async function readRgb(file) {
  const { bytes, suffix } = await open(file, RGB_SUFFIXES);
  return named("the RGB file", async () => {
    if (suffix === ".png") return threeBytes(readColourPng(bytes));
    if (suffix.startsWith(".tif")) return threeBytes(await (await import("./tiff.js")).readColourTiff(bytes));
    return threeBytes(await decodeByBrowser(suffix.startsWith(".jp") ? withoutExif(bytes) : bytes));
  });
}

export async function readDepth(file) {
  const { bytes, suffix } = await open(file, DEPTH_SUFFIXES);
  return named("the depth file", async () => {
    if (suffix === ".npy") return readNpy(bytes);
    if (suffix === ".pfm") return readPfm(bytes);
    if (suffix === ".png") return readDepthPng(bytes);
    return (await import("./tiff.js")).readDepthTiff(bytes);
  });
}

/** A refusal's sentence names the file by its role, as the demo page of the package does. */
async function named(role, read) {
  try {
    return await read();
  } catch (error) {
    throw error instanceof Refusal ? new Refusal(`${role}: ${error.message}`) : error;
  }
}

/** The bytes of a file that is not too large; `file` is a Blob with a name. */
async function open(file, suffixes) {
  const role = suffixes === RGB_SUFFIXES ? "the RGB file" : "the depth file";
  const suffix = (file.name.match(/\.[^.]+$/)?.[0] ?? "").toLowerCase();
  if (!suffixes.includes(suffix))
    throw new Refusal(`${role}: the demo takes ${suffixes.join(", ")}, not ${suffix || "files without a suffix"}`);
  if (file.size > MAX_BYTES)
    throw new Refusal(`${role}: ${Math.round(file.size / 2 ** 20)} MiB; the demo takes ${MAX_BYTES / 2 ** 20} MiB at most`);
  return { bytes: new Uint8Array(await file.arrayBuffer()), suffix };
}

/** Eight bits and three channels: grey is repeated, alpha dropped. */
function threeBytes({ data, width, height, channels }) {
  const deep = data instanceof Uint16Array, rgb = new Uint8Array(3 * width * height);
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < 3; c++) {
      const sample = data[i * channels + (channels < 3 ? 0 : c)];
      rgb[3 * i + c] = deep ? (sample + 128) / 257 : sample;
    }
  return { data: rgb, shape: [height, width] };
}

async function decodeByBrowser(bytes) {
  let picture;
  try {
    picture = await createImageBitmap(new Blob([bytes]), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  } catch (error) {
    throw new Refusal(`cannot be read as an image: ${error.message}`);
  }
  const { width, height } = picture;
  checkPixels(width, height);
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context.drawImage(picture, 0, 0);
  picture.close();
  return { data: context.getImageData(0, 0, width, height).data, width, height, channels: 4 };
}

/** A JPEG without the segments by which browsers would turn it away from its depth. */
function withoutExif(bytes) {
  const kept = [bytes.subarray(0, 2)];
  let place = 2;
  while (bytes[place] === 0xff && bytes[place + 1] !== 0xda && place + 4 <= bytes.length) {
    const end = place + 2 + (bytes[place + 2] << 8 | bytes[place + 3]);
    if (bytes[place + 1] !== EXIF) kept.push(bytes.subarray(place, end));
    place = end;
  }
  return new Blob([...kept, bytes.subarray(place)]);
}
