// Packs the page into a folder: `node build.mjs FOLDER`. Beside it stand the files that `python -m web.files` makes.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { constants, gzipSync } from "node:zlib";

const folder = path.resolve(process.argv[2]), { resolve } = createRequire(import.meta.url);
const runtime = (suffix) => resolve(`onnxruntime-web/ort-wasm-simd-threaded.${suffix}`);

/** The demo page's drawing is the body of a function, as Gradio wants it. */
const drawing = {
  name: "drawing",
  setup: ({ onLoad }) => onLoad({ filter: /demo\/cloud\.js$/ }, async ({ path: source }) => ({
    contents: `export default function (element, props, watch) {\n${await readFile(source, "utf8")}\n}`,
  })),
};

await mkdir(folder, { recursive: true });
await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: ["src/page.js", "src/worker.js", "src/style.css"],
  bundle: true,
  minify: true,
  format: "esm",
  splitting: true,
  target: "es2022",
  loader: { ".html": "text" },
  conditions: ["onnxruntime-web-use-extern-wasm"], // the runtime beside the page, not inside of it
  plugins: [drawing],
  outdir: folder,
  logLevel: "warning",
});
await copyFile(runtime("mjs"), `${folder}/runtime.js`);
// 14 MB, a quarter when packed; many plain servers pack nothing
const packed = gzipSync(await readFile(runtime("wasm")), { level: constants.Z_BEST_COMPRESSION });
await writeFile(`${folder}/runtime.bin`, packed);
