// Loudness after ITU-R BS.1770, as mixing/loudness.py measures it.

const BLOCK_S = 0.4;
const STEP = 0.25; // of a block
const ABSOLUTE_LUFS = -70;
const RELATIVE_LU = -10;

/** The two filters of K-weighting at that rate (the analog prototypes' coefficients, by the bilinear transform).
 *
 * @param {number} rate
 */
function filters(rate) {
  return [shelf(rate), highpass(rate)];
}

/** @param {number} rate */
function shelf(rate) {
  const [gain, q, hz] = [10 ** (4 / 40), Math.SQRT1_2, 1500];
  const angle = (2 * Math.PI * hz) / rate;
  const [cos, bump] = [Math.cos(angle), (2 * Math.sqrt(gain) * Math.sin(angle)) / (2 * q)];
  return normalised(
    [gain * (gain + 1 + (gain - 1) * cos + bump), -2 * gain * (gain - 1 + (gain + 1) * cos), gain * (gain + 1 + (gain - 1) * cos - bump)],
    [gain + 1 - (gain - 1) * cos + bump, 2 * (gain - 1 - (gain + 1) * cos), gain + 1 - (gain - 1) * cos - bump],
  );
}

/** @param {number} rate */
function highpass(rate) {
  const angle = (2 * Math.PI * 38) / rate;
  const [cos, alpha] = [Math.cos(angle), Math.sin(angle) / (2 * 0.5)];
  return normalised([(1 + cos) / 2, -(1 + cos), (1 + cos) / 2], [1 + alpha, -2 * cos, 1 - alpha]);
}

/** @param {number[]} b @param {number[]} a */
const normalised = (b, a) => ({ b: b.map((one) => one / a[0]), a: a.map((one) => one / a[0]) });

/** @param {Float32Array} samples @param {number} rate */
function weighted(samples, rate) {
  let from = Float64Array.from(samples);
  for (const { b, a } of filters(rate)) {
    const to = new Float64Array(from.length);
    let [x1, x2, y1, y2] = [0, 0, 0, 0];
    for (let at = 0; at < from.length; at += 1) {
      const x = from[at];
      const y = b[0] * x + b[1] * x1 + b[2] * x2 - a[1] * y1 - a[2] * y2;
      [x2, x1, y2, y1] = [x1, x, y1, y];
      to[at] = y;
    }
    from = to;
  }
  return from;
}

/** Integrated loudness; -Infinity of silence, and of less than a block.
 *
 * @param {Float32Array[]} channels
 * @param {number} rate
 */
export function lufs(channels, rate) {
  const block = Math.round(BLOCK_S * rate);
  const step = Math.round(block * STEP);
  const heard = channels.map((samples) => weighted(samples, rate));
  /** @type {number[]} */
  const powers = [];
  for (let from = 0; from + block <= channels[0].length; from += step) {
    powers.push(heard.reduce((sum, samples) => sum + meanSquare(samples, from, from + block), 0));
  }
  const loud = powers.filter((power) => loudnessOf(power) > ABSOLUTE_LUFS);
  const gate = loudnessOf(mean(loud)) + RELATIVE_LU;
  return loudnessOf(mean(loud.filter((power) => loudnessOf(power) > gate)));
}

/** @param {number} power */
const loudnessOf = (power) => -0.691 + 10 * Math.log10(power);

/** @param {number[]} numbers */
const mean = (numbers) => (numbers.length ? numbers.reduce((sum, one) => sum + one, 0) / numbers.length : 0);

/** @param {Float64Array} samples @param {number} from @param {number} to */
function meanSquare(samples, from, to) {
  let sum = 0;
  for (let at = from; at < to; at += 1) sum += samples[at] ** 2;
  return sum / (to - from);
}

/** The gain that brings a mix to that loudness, and its peaks below full scale: what the server limits is turned down here.
 *
 * @param {AudioBuffer} mix
 * @param {number} targetLufs
 */
export function masterGain(mix, targetLufs) {
  const channels = [0, 1].map((side) => mix.getChannelData(side));
  const here = lufs(channels, mix.sampleRate);
  if (here === -Infinity) return 0;
  const peak = Math.max(...channels.map((samples) => samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0)));
  return Math.min(10 ** ((targetLufs - here) / 20), 0.98 / peak);
}
