// Bicubic interpolation for comparison: holes filled by the package's rule (pipeline/holes.py), then Pillow's kernel.

const SUPPORT = 2; // of the cubic kernel, in LR pixels

/** LR depth with every hole filled by its nearest sample, found by jump flooding; zeros if nothing is valid. */
export function fillHoles(data, valid, [height, width]) {
  let sources = Int32Array.from(valid, (known, i) => (known ? i : -1));
  let step = 1;
  while (2 * step < Math.max(height, width)) step *= 2;
  for (; step >= 1; step >>= 1) {
    const before = sources;
    sources = before.slice();
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const place = row * width + column;
        if (!valid[place]) sources[place] = bestSource(before, row, column, step, height, width);
      }
  }
  return Float64Array.from(sources, (source) => (source < 0 ? 0 : data[source]));
}

/** Of those that a sample and its neighbours at a step know: the nearest, then the first. */
function bestSource(sources, row, column, step, height, width) {
  let best = -1, least = Infinity;
  for (let i = Math.max(row - step, row % step); i <= row + step && i < height; i += step)
    for (let j = Math.max(column - step, column % step); j <= column + step && j < width; j += step) {
      const source = sources[i * width + j];
      if (source < 0) continue;
      const down = Math.floor(source / width) - row, across = (source % width) - column;
      const distance = down * down + across * across;
      if (distance < least || (distance === least && source < best)) [least, best] = [distance, source];
    }
  return best;
}

/** (h, w) -> (H, W), rows after columns. */
export function enlarge(data, [height, width], [tall, wide]) {
  const across = makeTaps(width, wide), down = makeTaps(height, tall);
  const narrow = new Float64Array(height * wide), result = new Float32Array(tall * wide);
  for (let row = 0; row < height; row++)
    across.forEach(({ first, weights }, column) => {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * data[row * width + first + k];
      narrow[row * wide + column] = sum;
    });
  down.forEach(({ first, weights }, row) => {
    for (let column = 0; column < wide; column++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * narrow[(first + k) * wide + column];
      result[row * wide + column] = sum;
    }
  });
  return result;
}

function makeTaps(low, high) {
  return Array.from({ length: high }, (_, position) => {
    const centre = ((position + 0.5) * low) / high;
    const first = Math.max(Math.floor(centre - SUPPORT + 0.5), 0);
    const last = Math.min(Math.floor(centre + SUPPORT + 0.5), low);
    const weights = Array.from({ length: last - first }, (_, k) => cubic(Math.abs(first + k + 0.5 - centre)));
    const sum = weights.reduce((total, weight) => total + weight, 0); // at the border the kernel is cut off
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Keys' cubic kernel with a = -0.5. */
function cubic(x) {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < SUPPORT ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}
