// ONNX Runtime for WebAssembly and the whole-job file of a scale. Both are fetched from the page's own folder at need.
import * as ort from "onnxruntime-web/wasm";

const MOST_THREADS = 4;
const here = (name) => new URL(name, import.meta.url);
let session = null; // the last one; each holds tens of megabytes

/** The page's list of files and colours. */
export const facts = fetch(here("facts.json")).then((answer) => answer.json());

/** Threads need a page that is isolated from others by its server's headers. */
export const threads = () =>
  globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;

/** The model whose scale is nearest, as a ratio. */
export async function chooseModel(scale) {
  const distance = (model) => Math.abs(Math.log(model.scale / scale));
  return (await facts).models.reduce((best, model) => (distance(model) < distance(best) ? model : best));
}

/** Depth (H, W) float32 and valid (H, W) of 0 and 1, by the file of a model. */
export async function run(model, rgb, lr, report) {
  const { session: network } = await open(model, report);
  report("up-sampling");
  const inputs = {
    rgb: new ort.Tensor("uint8", rgb.data, [...rgb.shape, 3]),
    lr_depth: new ort.Tensor("float32", Float32Array.from(lr.data), lr.shape),
  };
  const outputs = await network.run(inputs, ["depth", "valid"]);
  const result = { depth: outputs.depth.data, valid: outputs.valid.data };
  for (const tensor of [...Object.values(inputs), ...Object.values(outputs)]) tensor.dispose();
  return result;
}

async function open(model, report) {
  if (session?.file === model.file) return session;
  await session?.session.release();
  session = null;
  const sizes = [(await facts).runtime.bytes, model.bytes], received = [0, 0];
  const count = (which) => (bytes) => {
    received[which] += bytes;
    const [now, all] = [received, sizes].map((each) => (each[0] + each[1]) / 1e6);
    report(`fetching ${now.toFixed(1)} of ${all.toFixed(1)} MB`, now / all);
  };
  if (ort.env.wasm.wasmBinary) sizes[0] = 0;
  const [, content] = await Promise.all([startRuntime(count(0)), download(here(model.file), count(1))]);
  report("preparing the network");
  session = { file: model.file, session: await ort.InferenceSession.create(content, { executionProviders: ["wasm"] }) };
  return session;
}

async function startRuntime(count) {
  if (ort.env.wasm.wasmBinary) return;
  ort.env.wasm.numThreads = threads();
  ort.env.wasm.wasmPaths = { mjs: here("runtime.js").href };
  const packed = await download(here((await facts).runtime.file), count);
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  ort.env.wasm.wasmBinary = await new Response(unpacked).arrayBuffer();
}

async function download(address, count) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address.pathname}: ${answer.status}`);
  const parts = [];
  for (let reader = answer.body.getReader(), part; !(part = await reader.read()).done; ) {
    parts.push(part.value);
    count(part.value.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
