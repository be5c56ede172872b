// The texts about a run; as bridgenet_infer/demo/wording.py has them.

/** Four digits at most, with the unit if it is known. */
export function number(value, unit) {
  const text = Math.abs(value) >= 1000
    ? Math.round(value).toLocaleString("en-US")
    : String(Number(value.toPrecision(3)));
  return `${text} ${unit}`.trim();
}

export const describeGiven = ({ rgb, depth, dtype, scale }) => [
  `RGB ${rgb.width} × ${rgb.height}`,
  `depth ${depth.width} × ${depth.height}, ${dtype}, x${number(scale, "")}`,
];

export const describeLegend = (span, unit) => [`near ${number(span[0], unit)}`, `far ${number(span[1], unit)}`];

/** Names, values and further words. */
export function describeRun(run, unit) {
  const threads = run.threads === 1 ? "one thread" : `${run.threads} threads`;
  const rows = [["time", `${run.seconds.toFixed(1)} s`, `in this browser, ${threads}`]];
  if (run.errors) {
    const [ours, plain] = run.errors, better = ours > 0 && ours < plain;
    const times = better ? `, ${(plain / ours).toFixed(1)} times ours` : "";
    rows.push(["mean absolute error", number(ours, unit), `bicubic ${number(plain, unit)}${times}`]);
  }
  const kept = [run.dtype, unit, `${(100 * run.holes).toFixed(1)}% holes`].filter(Boolean).join(", ");
  rows.push(["result", `${run.ours.width} × ${run.ours.height}`, kept]);
  const { model } = run;
  rows.push(["weights", model.weights, `x${number(run.scale, "")}, sha256 ${model.sha256.slice(0, 12)}`]);
  return rows;
}
