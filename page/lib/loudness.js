// Loudness after ITU-R BS.1770, and a mix brought to one, as mixing/loudness.py does.

import { limit, times } from './dynamics.js';
import { filter, pass, shelf } from './filters.js';

/** @typedef {import('./effects.js').Channels} Channels */

const BLOCK_S = 0.4;
const STEP = 0.25; // of a block
const ABSOLUTE_LUFS = -70;
const RELATIVE_LU = -10;
const LIMITER = { type: 'limiter', ceiling_db: -1, release_ms: 80 };
const CLOSE_LU = 0.05;
const TRIES = 8;
const LEAST_SLOPE = 0.15; // of loudness by gain
const MOST_PUSHED_DB = 24;

/** K-weighting. @param {Float32Array} samples @param {number} rate */
const weighted = (samples, rate) =>
  [shelf('high', 1500, 4, Math.SQRT1_2, rate), pass('highpass', 38, rate, 0.5)].reduce(filter, new Float64Array(samples));

/** Integrated loudness; -Infinity of silence, and of less than a block.
 *
 * @param {Channels} channels
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

/** A mix at that loudness, its true peaks limited; silence as it is. The limiter takes some loudness away, so it is
 * asked again with more gain, by the secant; the closest counts.
 *
 * @param {Channels} channels
 * @param {number} rate
 * @param {number} target
 */
export async function master(channels, rate, target) {
  const here = lufs(channels, rate);
  if (here === -Infinity) return channels;
  let gainDb = target - here;
  const mostDb = gainDb + MOST_PUSHED_DB;
  let before = { gainDb: 0, reached: here };
  let best = { channels, missed: Infinity };
  for (let tries = 0; tries < TRIES; tries += 1) {
    const gain = 10 ** (gainDb / 20);
    await new Promise((done) => setTimeout(done)); // the page goes on meanwhile
    const limited = limit(times(channels, gain), LIMITER, rate);
    const reached = lufs(limited, rate);
    const missed = Math.abs(reached - target);
    if (missed < best.missed) best = { channels: limited, missed };
    const slope = gainDb === before.gainDb ? 1 : (reached - before.reached) / (gainDb - before.gainDb);
    const next = Math.min(gainDb + (target - reached) / Math.min(Math.max(slope, LEAST_SLOPE), 1), mostDb);
    if (missed <= CLOSE_LU || next === gainDb) break;
    before = { gainDb, reached };
    gainDb = next;
  }
  return best.channels;
}
