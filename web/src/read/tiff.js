// TIFF by geotiff, as stored: no tag turns, inverts or scales. Loaded only when somebody brings such a file.
import { fromArrayBuffer } from "geotiff";
import { Refusal, checkPixels } from "./refusal.js";

const [UNSIGNED, SIGNED, FLOAT, UNDEFINED] = [1, 2, 3, 4];
const [WHITE_IS_ZERO, BLACK_IS_ZERO, COLOUR] = [0, 1, 2];
const NOT_A_PAGE = 1 | 4; // subfiles that are smaller copies or masks of a page
const KINDS = { [UNSIGNED]: [8, 16, 32], [SIGNED]: [16, 32], [FLOAT]: [16, 32, 64] };
const NAMES = { [UNSIGNED]: "uint", [SIGNED]: "int", [FLOAT]: "float" };

async function open(bytes) {
  try {
    const file = await fromArrayBuffer(bytes.slice().buffer);
    const pages = await Promise.all(Array.from({ length: await file.getImageCount() }, (_, i) => file.getImage(i)));
    const tag = (page, name, otherwise) => page.fileDirectory.getValue?.(name) ?? page.fileDirectory[name] ?? otherwise;
    const [image] = pages, first = (value) => (typeof value === "number" ? value : value[0]);
    return {
      image,
      width: image.getWidth(),
      height: image.getHeight(),
      several: pages.filter((page) => !(tag(page, "NewSubfileType", 0) & NOT_A_PAGE)).length > 1,
      channels: image.getSamplesPerPixel(),
      bits: first(tag(image, "BitsPerSample", 1)),
      format: first(tag(image, "SampleFormat", UNSIGNED)),
      photometric: tag(image, "PhotometricInterpretation", BLACK_IS_ZERO),
      planar: tag(image, "PlanarConfiguration", 1),
    };
  } catch (error) {
    throw new Refusal(`cannot be decoded: ${error.message}`);
  }
}

async function decode(read) {
  try {
    return await read();
  } catch (error) {
    throw new Refusal(`cannot be decoded: ${error.message}`);
  }
}

/** Depth of one channel, of any type that the package reads. */
export async function readDepthTiff(bytes) {
  const { image, width, height, ...file } = await open(bytes);
  checkPixels(width, height);
  const format = file.format === UNDEFINED ? UNSIGNED : file.format;
  if (file.channels !== 1) throw new Refusal(`depth must have one channel, got ${file.channels}`);
  if (file.several) throw new Refusal("depth must have one page, got several pages");
  if (![WHITE_IS_ZERO, BLACK_IS_ZERO].includes(file.photometric))
    throw new Refusal(`depth must be grey, got PhotometricInterpretation ${file.photometric}`);
  if (!KINDS[format]?.includes(file.bits)) {
    const names = Object.entries(KINDS).flatMap(([kind, bits]) => bits.map((each) => NAMES[kind] + each)).sort();
    throw new Refusal(
      `depth must be one of ${names.join(", ")}, got BitsPerSample ${file.bits}, SampleFormat ${file.format}`);
  }
  const [data] = await decode(() => image.readRasters());
  return { data, shape: [height, width], dtype: NAMES[format] + file.bits };
}

/** Samples of a colour image with its number of channels. */
export async function readColourTiff(bytes) {
  const { image, width, height, ...file } = await open(bytes);
  checkPixels(width, height);
  if (file.several) throw new Refusal("a colour image must have one page, got several pages");
  if (![1, 2, 4, 8, 16].includes(file.bits) || ![UNSIGNED, UNDEFINED].includes(file.format))
    throw new Refusal(
      `a colour image must be 8 or 16 bit, got BitsPerSample ${file.bits}, SampleFormat ${file.format}`);
  const plain = [BLACK_IS_ZERO, COLOUR].includes(file.photometric) && file.bits >= 8;
  if (file.bits === 16 && (!plain || file.planar !== 1))
    throw new Refusal(
      "a colour image of 16 bit must be RGB or black-is-zero grey in one plane, got PhotometricInterpretation " +
      `${file.photometric}, PlanarConfiguration ${file.planar}`);
  const data = await decode(() => (plain ? image.readRasters({ interleave: true }) : image.readRGB()));
  return { data, width, height, channels: plain ? file.channels : 3 };
}
