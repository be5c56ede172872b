// The work behind the page, from files to pictures, in a thread of its own; the page ends it to cancel a run.
import { enlarge, fillHoles } from "./bicubic.js";
import { findValid, resolveScale, suspectMarker } from "./check.js";
import { depthSpan, gradient, paint } from "./colours.js";
import { canvasCloud, cloudFile } from "./points.js";
import { Refusal } from "./read/refusal.js";
import { readDepth, readRgb } from "./read/files.js";
import { restore } from "./restore.js";
import { chooseModel, facts, run, threads } from "./runtime.js";
import { depthFile } from "./write.js";

/** RGB, LR depth, and exact depth where it is known, of a choice's files or of an example's addresses. */
async function read({ rgb, depth, exact }) {
  const files = await Promise.all([rgb, depth, exact].map((file) => (typeof file === "string" ? download(file) : file)));
  const [colours, lr] = [await readRgb(files[0]), await readDepth(files[1])];
  return { rgb: colours, lr, valid: findValid(lr), exact: files[2] && (await readDepth(files[2])) };
}

async function download(address) {
  const content = await (await fetch(address)).blob();
  return new File([content], address);
}

/** RGB and depth as given. */
async function look(choice) {
  const { rgb, lr, valid } = await read(choice), { colours } = await facts;
  const pixels = paint(lr.data, valid, depthSpan(lr.data, valid), colours);
  const given = { rgb: picture(opaque(rgb.data), rgb.shape), depth: picture(pixels, lr.shape), dtype: lr.dtype };
  return { ...given, scale: resolveScale(lr.shape, rgb.shape) };
}

async function upsample(choice, report) {
  report("reading");
  const { rgb, lr, valid: measured, exact } = await read(choice);
  const scale = resolveScale(lr.shape, rgb.shape), model = await chooseModel(scale);
  const size = rgb.shape;
  let started = performance.now();
  const { depth, valid } = await run(model, rgb, lr, (text, share) => {
    if (share === undefined) started = performance.now();
    report(text, share);
  });
  const seconds = (performance.now() - started) / 1000;
  report("painting");
  const plain = enlarge(fillHoles(lr.data, measured, lr.shape), lr.shape, size);
  const span = depthSpan(depth, valid), { colours } = await facts;
  return {
    plain: picture(paint(plain, valid, span, colours), size),
    ours: picture(paint(depth, valid, span, colours), size),
    span,
    gradient: gradient(colours),
    cloud: canvasCloud(rgb.data, { bicubic: plain, "bridgenet-infer": depth }, valid, size, choice.fieldOfView),
    points: new Blob(cloudFile(rgb.data, depth, valid, size, choice.fieldOfView)),
    ...depthFile(restore(depth, valid, size, lr), scale),
    errors: exact && [depth, plain].map((each) => meanError(each, valid, exact)),
    note: suspectMarker(lr, measured),
    holes: 1 - valid.reduce((count, known) => count + known, 0) / valid.length,
    dtype: lr.dtype,
    seconds,
    threads: threads(),
    scale,
    model,
  };
}

function meanError(depth, valid, exact) {
  let sum = 0, count = 0;
  exact.data.forEach((truth, i) => {
    if (!truth || !valid[i]) return;
    sum += Math.abs(depth[i] - truth);
    count += 1;
  });
  return sum / count;
}

const picture = (pixels, [height, width]) => new ImageData(pixels, width, height);

function opaque(rgb) {
  const pixels = new Uint8ClampedArray((rgb.length / 3) * 4).fill(255);
  for (let i = 0; i < rgb.length / 3; i++) for (let c = 0; c < 3; c++) pixels[4 * i + c] = rgb[3 * i + c];
  return pixels;
}

/** ONNX Runtime and the browser say in many ways that memory is short. */
const isShortage = (error) => error instanceof RangeError || /memory|alloc/i.test(String(error?.message ?? error));

onmessage = async ({ data: { number, task, choice } }) => {
  const report = (text, share) => postMessage({ number, progress: text, share });
  try {
    const result = await (task === "look" ? look(choice) : upsample(choice, report));
    postMessage({ number, result });
  } catch (error) {
    if (error instanceof Refusal) postMessage({ number, refusal: error.message });
    else if (isShortage(error)) postMessage({ number, refusal: "not enough memory for images of this size" });
    else postMessage({ number, refusal: "This browser could not do it.", failure: String(error?.stack ?? error) });
  }
};
