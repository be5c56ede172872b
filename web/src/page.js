// The page: its form, its progress and its results. It replaces the text that stands where no program runs.
import markup from "./page.html";
import drawClouds from "../../bridgenet_infer/demo/cloud.js";
import { describeGiven, describeLegend, describeRun } from "./words.js";
import { Cancelled, Refused, ask, cancel } from "./worker_client.js";

const root = document.querySelector("#try");
root.innerHTML = markup;
const find = (selector) => root.querySelector(selector);
const form = find("form"), result = find(".result"), status = find("[role=status]");
const own = { rgb: null, depth: null };
const cloud = { value: "" }, addresses = [];
let redrawCloud;
drawClouds(find(".cloud"), cloud, (_, load) => { redrawCloud = load; });

function choice() {
  const { value } = form.elements.source, at = (name) => new URL(`${value}/${name}.png`, import.meta.url).href;
  if (value !== "own") return { rgb: at("rgb"), depth: at("depth_lr"), exact: at("depth"), fieldOfView: 60 };
  return { ...own, fieldOfView: form.elements.view.valueAsNumber };
}

function show(canvas, picture) {
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** The sentence of a refusal; none hides it. */
function refuse(error) {
  if (error && !(error instanceof Refused)) throw error; // a mistake of ours
  find(".refusal").textContent = error?.message ?? "";
  find(".refusal").hidden = !error;
}

async function preview() {
  refuse(null);
  status.textContent = "";
  find(".given").hidden = result.hidden = true;
  const chosen = choice();
  if (!chosen.rgb || !chosen.depth) return;
  root.setAttribute("aria-busy", "true");
  try {
    const given = await ask("look", chosen);
    show(find(".given .rgb"), given.rgb);
    show(find(".given .depth"), given.depth);
    root.querySelectorAll("figcaption").forEach((caption, i) => { caption.textContent = describeGiven(given)[i]; });
    find(".given").hidden = false;
  } catch (error) {
    if (error instanceof Cancelled) return;
    refuse(error);
  }
  root.setAttribute("aria-busy", "false");
}

function setBusy(busy) {
  root.querySelectorAll("fieldset, .own input, .run").forEach((field) => { field.disabled = busy; });
  find(".cancel").hidden = !busy;
  find("progress").hidden = !busy;
  root.setAttribute("aria-busy", String(busy));
}

function report(text, share) {
  status.textContent = text;
  const bar = find("progress");
  if (share === undefined) bar.removeAttribute("value");
  else bar.value = share;
}

async function run() {
  refuse(null);
  result.hidden = true; // and with it the cloud, whose turning takes time from the run
  const chosen = choice();
  if (!chosen.rgb || !chosen.depth)
    return refuse(new Refused("both an RGB image and its low-resolution depth are needed"));
  setBusy(true);
  find(".cancel").focus();
  try {
    present(await ask("upsample", chosen, report));
    status.textContent = "done";
  } catch (error) {
    status.textContent = error instanceof Cancelled ? "cancelled" : "";
    if (!(error instanceof Cancelled)) refuse(error);
  } finally {
    setBusy(false);
    find(".run").focus({ preventScroll: true });
  }
}

function present(done) {
  show(find(".plain"), done.plain);
  show(find(".ours"), done.ours);
  find(".compare").style.aspectRatio = `${done.ours.width} / ${done.ours.height}`;
  const unit = form.elements.source.value === "own" ? "" : "mm";
  [find(".near").textContent, find(".far").textContent] = describeLegend(done.span, unit);
  find(".bar").style.background = done.gradient;
  find(".facts").replaceChildren(...describeRun(done, unit).map(([name, value, more]) => {
    const box = document.createElement("div");
    for (const [tag, text] of [["dt", name], ["dd", value], ["dd", more]])
      box.append(Object.assign(document.createElement(tag), { textContent: text }));
    return box;
  }));
  find(".note").textContent = done.note ? `Note: ${done.note}` : "";
  find(".note").hidden = !done.note;
  addresses.splice(0).forEach((address) => URL.revokeObjectURL(address));
  link(".file", done.file, done.name, `Depth, ${done.kind}`);
  link(".points", done.points, "points.ply", "Point cloud, PLY");
  cloud.value = done.cloud;
  result.hidden = false;
  redrawCloud();
}

function link(selector, content, name, text) {
  const address = URL.createObjectURL(content);
  addresses.push(address);
  Object.assign(find(selector), { href: address, download: name, textContent: text });
}

for (const label of root.querySelectorAll(".drop")) {
  const field = label.querySelector("input");
  const take = (file) => {
    own[field.name] = file ?? null;
    label.classList.toggle("taken", Boolean(file));
    preview();
  };
  field.addEventListener("change", () => take(field.files[0]));
  label.addEventListener("dragover", (event) => event.preventDefault());
  label.addEventListener("drop", (event) => {
    event.preventDefault();
    field.files = event.dataTransfer.files;
    take(event.dataTransfer.files[0]);
  });
}
find(".source").addEventListener("change", () => {
  find(".own").hidden = form.elements.source.value !== "own";
  preview();
});
find("input[type=range]").addEventListener("input", ({ target }) => {
  find(".compare").style.setProperty("--share", `${target.value}%`);
});
find(".cancel").addEventListener("click", cancel);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
preview();
