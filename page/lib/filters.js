// Filters as the server's (mixing/filters.py): second-order sections after Robert Bristow-Johnson's cookbook.

/** @typedef {{ b: number[], a: number[] }} Section the one before, and a[0] is 1 */

export const BUTTERWORTH_Q = Math.SQRT1_2;
const HIGHEST = 0.49; // of the rate: a corner above what it can carry

/** @param {number} hz @param {number} q @param {number} rate */
function corner(hz, q, rate) {
  const angle = (2 * Math.PI * Math.min(hz, HIGHEST * rate)) / rate;
  return { cos: Math.cos(angle), alpha: Math.sin(angle) / (2 * q) };
}

/** @param {number[]} b @param {number[]} a @returns {Section} */
const section = (b, a) => ({ b: b.map((one) => one / a[0]), a: a.map((one) => one / a[0]) });

/** @param {'highpass' | 'lowpass'} kind @param {number} hz @param {number} rate @param {number} [q] */
export function pass(kind, hz, rate, q = BUTTERWORTH_Q) {
  const { cos, alpha } = corner(hz, q, rate);
  const side = kind === 'highpass' ? -1 : 1;
  return section([(1 - side * cos) / 2, side * (1 - side * cos), (1 - side * cos) / 2], [1 + alpha, -2 * cos, 1 - alpha]);
}

/** @param {number} hz @param {number} gainDb @param {number} q @param {number} rate */
export function peak(hz, gainDb, q, rate) {
  const { cos, alpha } = corner(hz, q, rate);
  const a = 10 ** (gainDb / 40);
  return section([1 + alpha * a, -2 * cos, 1 - alpha * a], [1 + alpha / a, -2 * cos, 1 - alpha / a]);
}

/** The high shelf mirrors the low one. @param {'low' | 'high'} which @param {number} hz @param {number} gainDb @param {number} q @param {number} rate */
export function shelf(which, hz, gainDb, q, rate) {
  const { cos: plain, alpha } = corner(hz, q, rate);
  const a = 10 ** (gainDb / 40);
  const side = which === 'low' ? 1 : -1;
  const [cos, bump] = [side * plain, 2 * Math.sqrt(a) * alpha];
  return section(
    [a * (a + 1 - (a - 1) * cos + bump), side * 2 * a * (a - 1 - (a + 1) * cos), a * (a + 1 - (a - 1) * cos - bump)],
    [a + 1 + (a - 1) * cos + bump, side * -2 * (a - 1 + (a + 1) * cos), a + 1 + (a - 1) * cos - bump],
  );
}

/** @template {Float32Array | Float64Array} T @param {T} samples changed in place @param {Section} by @returns {T} */
export function filter(samples, { b: [b0, b1, b2], a: [, a1, a2] }) {
  let [x1, x2, y1, y2] = [0, 0, 0, 0];
  for (let at = 0; at < samples.length; at += 1) {
    const x = samples[at];
    const y = b0 * x + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2;
    [x2, x1, y2, y1] = [x1, x, y1, y];
    samples[at] = y;
  }
  return samples;
}
