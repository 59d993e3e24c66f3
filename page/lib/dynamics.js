// Compressor and true-peak limiter as the server's (mixing/dynamics.py): one gain for both channels, so that the
// stereo image stays.

/** @typedef {import('./effects.js').Channels} Channels */
/** @typedef {import('./effects.js').Effect} Effect */

const SILENCE = 1e-6;
const LOOKAHEAD_S = 0.004;
const PHASES = 4; // of true peaks, between two samples
const HALF = 8; // samples beside it that a peak between two is computed from
const FAR_BELOW = 0.7; // of the ceiling: between samples so low, hardly anything passes it
const KERNELS = Array.from({ length: PHASES - 1 }, (_, phase) => kernel((phase + 1) / PHASES));

/** A windowed sinc that reads so far after a sample. @param {number} share */
function kernel(share) {
  const taps = Array.from({ length: 2 * HALF }, (_, tap) => tap - HALF + 1 - share);
  return Float64Array.from(taps, (x) => (Math.sin(Math.PI * x) / (Math.PI * x)) * Math.cos((Math.PI * x) / (2 * (HALF + 1))) ** 2);
}

/** @param {Channels} channels @param {Effect} effect @param {number} rate @returns {Channels} */
export function compress(channels, { threshold_db: threshold, ratio, attack_ms: attackMs, release_ms: releaseMs, knee_db: knee, makeup_db: makeup }, rate) {
  const share = Math.exp(-1 / ((rate * attackMs) / 1000));
  const fall = Math.exp(-1000 / (releaseMs * rate));
  let [released, reduction] = [0, 0];
  const gain = highest(channels);
  for (let at = 0; at < gain.length; at += 1) {
    const wanted = over(20 * Math.log10(Math.max(gain[at], SILENCE)) - threshold, knee) * (1 - 1 / ratio);
    released = Math.max(wanted, released * fall);
    reduction = (1 - share) * released + share * reduction;
    gain[at] = 10 ** ((makeup - reduction) / 20);
  }
  return shaped(channels, gain);
}

/** How far a level is over the threshold; within the knee it begins softly. @param {number} excess @param {number} knee */
function over(excess, knee) {
  if (!knee || excess > knee / 2) return Math.max(0, excess);
  return Math.max(0, excess + knee / 2) ** 2 / (2 * knee);
}

/** True peaks at or below the ceiling. @param {Channels} channels @param {Effect} effect @param {number} rate @returns {Channels} */
export function limit(channels, { ceiling_db: ceilingDb, release_ms: releaseMs }, rate) {
  const ceiling = 10 ** (ceilingDb / 20);
  const curve = truePeaks(channels, ceiling);
  if (!curve.some((peak) => peak > ceiling)) return channels;
  const reach = Math.max(1, Math.round(LOOKAHEAD_S * rate));
  const fall = Math.exp(-1000 / (releaseMs * rate));
  let released = 0;
  const wanted = around(curve.map((peak) => (peak > ceiling ? 20 * Math.log10(peak / ceiling) : 0)), reach);
  for (let at = 0; at < wanted.length; at += 1) wanted[at] = released = Math.max(wanted[at], released * fall);
  const limited = shaped(channels, meanAround(wanted, reach).map((db) => (db ? 10 ** (-db / 20) : 1)));
  const most = truePeaks(limited, ceiling).reduce((found, peak) => Math.max(found, peak), 0);
  return most > ceiling ? times(limited, ceiling / most) : limited;
}

/** The highest level of all channels at each sample. @param {Channels} channels */
function highest(channels) {
  const most = new Float32Array(channels[0].length);
  for (const samples of channels) {
    for (let at = 0; at < most.length; at += 1) most[at] = Math.max(most[at], Math.abs(samples[at]));
  }
  return most;
}

/** That, and after each sample until the next one. @param {Channels} channels @param {number} ceiling */
function truePeaks(channels, ceiling) {
  const peaks = highest(channels);
  const least = FAR_BELOW * ceiling;
  for (const samples of channels) {
    for (let at = HALF; at < samples.length - HALF; at += 1) {
      if (Math.abs(samples[at]) < least && Math.abs(samples[at + 1]) < least) continue;
      for (const taps of KERNELS) peaks[at] = Math.max(peaks[at], Math.abs(between(samples, at, taps)));
    }
  }
  return peaks;
}

/** @param {Float32Array} samples @param {number} at @param {Float64Array} taps */
function between(samples, at, taps) {
  let sum = 0;
  const from = at - HALF + 1;
  for (let tap = 0; tap < taps.length; tap += 1) sum += samples[from + tap] * taps[tap];
  return sum;
}

/** The highest from `reach` before to `reach` after. @param {Float32Array} curve @param {number} reach */
function around(curve, reach) {
  const found = new Float32Array(curve.length);
  const line = new Int32Array(curve.length); // places of falling values: the first is the highest
  let [first, end, next] = [0, 0, 0];
  for (let at = 0; at < curve.length; at += 1) {
    for (; next < Math.min(curve.length, at + reach + 1); next += 1) {
      while (end > first && curve[line[end - 1]] <= curve[next]) end -= 1;
      line[end] = next;
      end += 1;
    }
    if (line[first] < at - reach) first += 1;
    found[at] = curve[line[first]];
  }
  return found;
}

/** The mean over as much, the ends repeated. @param {Float32Array} curve @param {number} reach */
function meanAround(curve, reach) {
  const means = new Float32Array(curve.length);
  const last = curve.length - 1;
  let sum = 0;
  for (let at = -reach; at < reach; at += 1) sum += curve[Math.min(last, Math.max(0, at))];
  for (let at = 0; at <= last; at += 1) {
    sum += curve[Math.min(last, at + reach)];
    means[at] = Math.max(0, sum / (2 * reach + 1));
    sum -= curve[Math.max(0, at - reach)];
  }
  return means;
}

/** @param {Channels} channels @param {Float32Array} gain at each sample @returns {Channels} */
function shaped(channels, gain) {
  return channels.map((samples) => {
    const to = new Float32Array(samples.length);
    for (let at = 0; at < to.length; at += 1) to[at] = samples[at] * gain[at];
    return to;
  });
}

/** @param {Channels} channels @param {number} gain @returns {Channels} */
export function times(channels, gain) {
  return channels.map((samples) => {
    const to = new Float32Array(samples.length);
    for (let at = 0; at < to.length; at += 1) to[at] = samples[at] * gain;
    return to;
  });
}
