// The result in the type of the depth that came in, its holes as they were: bridgenet_infer/pipeline/restore.py.

const LIMITS = {
  uint8: 255, uint16: 65535, uint32: 2 ** 32 - 1, int16: 32767, int32: 2 ** 31 - 1,
  float16: 65504, float32: 3.4028234663852886e38, float64: 1.7976931348623157e308,
};
const TINY = { float16: 6.103515625e-5, float32: 1.1754943508222875e-38, float64: 2.2250738585072014e-308 };

/** (H, W) depth, with holes by nearest neighbour where `valid` is 0. */
export function restore(depth, valid, size, lr) {
  const { data: raw, shape: [height, width], dtype } = lr, [tall, wide] = size;
  const data = new raw.constructor(tall * wide), most = LIMITS[dtype], least = TINY[dtype] ?? 1;
  for (let row = 0; row < tall; row++) {
    const source = Math.floor(((row + 0.5) * height) / tall) * width;
    for (let column = 0; column < wide; column++) {
      const place = row * wide + column, value = dtype in TINY ? depth[place] : Math.floor(depth[place] + 0.5);
      data[place] = valid[place]
        ? Math.min(Math.max(value, least), most)
        : raw[source + Math.floor(((column + 0.5) * width) / wide)];
    }
  }
  return { data, shape: size, dtype };
}
