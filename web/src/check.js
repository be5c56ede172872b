// What the package checks before a run, in its words: bridgenet_infer/pipeline/validate.py.
import { Refusal, fourDigits, numberText, tuple } from "./read/refusal.js";

const [MIN_SCALE, MAX_SCALE] = [2, 16];
const [DIFFERENT, ALIKE] = [0.05, 0.005]; // of two aspect ratios
const [FREQUENT_SHARE, FREQUENT_COUNT] = [0.01, 16]; // from which one value stands out
const DTYPES = ["uint8", "uint16", "uint32", "int16", "int32", "float16", "float32", "float64"];

/** What is measured, (h, w) of 0 and 1: neither 0, NaN nor infinite. */
export function findValid({ data, shape, dtype }) {
  if (!DTYPES.includes(dtype))
    throw new Refusal(`lr_depth must be one of ${DTYPES.join(", ")}, got ${dtype} of shape ${tuple(shape)}`);
  if (data.length === 0)
    throw new Refusal(`lr_depth must be a non-empty (h, w) or (B, h, w), got shape ${tuple(shape)}`);
  const valid = new Uint8Array(data.length);
  let negative = 0, least = 0;
  data.forEach((value, i) => {
    valid[i] = value !== 0 && Number.isFinite(value) ? 1 : 0;
    if (valid[i] && value < 0) { negative += 1; least = Math.min(least, value); }
  });
  if (negative) {
    const text = numberText(least, dtype.startsWith("float"));
    throw new Refusal(
      `lr_depth of shape ${tuple(shape)} has ${negative} negative values (least: ${text}); depth must be positive, ` +
      `holes 0 or NaN, or named by ${naming(text)}`);
  }
  return valid;
}

const naming = (marker) => `invalid=${marker} (commands: --invalid=${marker})`;

/** A note on a frequent value far beyond all others, which may mark holes; "" if there is none. */
export function suspectMarker({ data, dtype }, valid) {
  let most = 0, next = 0, count = 0, measured = 0;
  data.forEach((value, i) => {
    if (!valid[i]) return;
    measured += 1;
    if (value > most) [next, most, count] = [most, value, 0];
    if (value === most) count += 1;
    else next = Math.max(next, value);
  });
  if (count < Math.max(FREQUENT_SHARE * measured, FREQUENT_COUNT) || count === measured || next > most / 2) return "";
  const text = numberText(most, dtype.startsWith("float"));
  return `${((100 * count) / measured).toFixed(1)}% of the depth is exactly ${text}, at least twice every other ` +
    `value; if this value marks holes, pass ${naming(text)}`;
}

/** The scale between two sizes (rows, columns). */
export function resolveScale(low, high) {
  const candidates = findCandidates(low, high);
  const found = candidates.find((scale) => fits(scale, low, high, 1)) ?? candidates[1];
  const [vertical, horizontal] = high.map((side, axis) => side / low[axis]);
  const samples = Math.abs(vertical / horizontal - 1) < ALIKE ? 2 : 1; // two cameras that show nearly the same
  if (!fits(found, low, high, samples))
    throw new Refusal(`no scale from ${MIN_SCALE} to ${MAX_SCALE} explains ${describe(low, high)}`);
  return found;
}

/** The implied scale, whole if that fits, and the middle of all that fit; kept within the limits. */
function findCandidates(low, high) {
  const implied = Math.sqrt((high[0] * high[1]) / (low[0] * low[1]));
  const least = Math.max(MIN_SCALE, ...high.map((side, axis) => side / (low[axis] + 1)));
  const most = Math.min(MAX_SCALE, ...high.map((side, axis) => (low[axis] > 1 ? side / (low[axis] - 1) : MAX_SCALE)));
  return [Math.round(implied), implied, (least + most) / 2].map((s) => Math.min(Math.max(s, MIN_SCALE), MAX_SCALE));
}

const fits = (scale, low, high, samples) =>
  high.every((side, axis) => Math.abs(side - low[axis] * scale) < samples * scale);

function describe(low, high) {
  const shapes = `lr_depth ${tuple(low)} and rgb ${tuple(high)}`;
  if (low[0] === high[0] && low[1] === high[1])
    return `${shapes}: there is nothing to up-sample. Give the depth camera's own frames, not what a driver has ` +
      "aligned to the image, or one sample of each block, such as depth[4::8, 4::8]";
  const [vertical, horizontal] = high.map((side, axis) => side / low[axis]);
  const words = `${shapes}, which imply ${fourDigits(vertical)} vertically and ${fourDigits(horizontal)} horizontally`;
  if (Math.abs(vertical / horizontal - 1) < DIFFERENT) return words;
  const turned = high[1] / low[0] / (high[0] / low[1]);
  if (Math.abs(turned - 1) < DIFFERENT)
    return `${words}; they would fit if one were turned by 90 degrees (orientation tags are not obeyed)`;
  return `${words}: both must show the same extent (cut both alike, or register the depth if the cameras differ)`;
}
