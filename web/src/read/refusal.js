// A refusal is a sentence for the visitor; any other error is a mistake of ours. The sentences are the package's, see
// bridgenet_infer/read.py, tiff.py, pipeline/validate.py and demo/intake.py: tests/web compares them.

export class Refusal extends Error {}

export const tuple = (numbers) => `(${numbers.join(", ")}${numbers.length === 1 ? "," : ""})`;

/** A number as Python writes it. */
export function numberText(value, isFloat) {
  if (!isFloat) return String(value);
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e16) return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** Four digits at most, as Python's ":.4g" for ratios of sizes. */
export const fourDigits = (value) => String(Number(value.toPrecision(4)));

const MAX_PIXELS = 3_000_000; // a graph sees the whole image at once, within the 4 GiB of WebAssembly

/** Before an image is decoded; the command line has no such limit. */
export function checkPixels(width, height) {
  if (width * height > MAX_PIXELS)
    throw new Refusal(
      `${width} x ${height} pixels; the demo takes ${MAX_PIXELS / 1e6} million at most, the command ` +
      "bridgenet-upsample any number");
}
