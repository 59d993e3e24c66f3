// The effects of the desk, as the server applies them (mixing/effects.py), first to last.

import { compress, limit } from './dynamics.js';
import { filter, pass, peak, shelf } from './filters.js';
import { echo, reverberate, sway } from './reverb.js';

/** @typedef {Float32Array[]} Channels of one length */
/** @typedef {Record<string, any> & { type: string }} Effect */

const WIDE = ['reverb', 'chorus']; // these make two different channels of one

/** @type {Record<string, (channels: Channels, effect: Effect, rate: number) => Channels | Promise<Channels>>} */
const APPLY = {
  gain: (channels, { gain_db: db }) => channels.map((samples) => samples.map((sample) => sample * 10 ** (db / 20))),
  equalizer: (channels, effect, rate) => filtered(channels, band(effect, rate)),
  highpass: (channels, effect, rate) => filtered(channels, pass('highpass', effect.frequency_hz, rate)),
  lowpass: (channels, effect, rate) => filtered(channels, pass('lowpass', effect.frequency_hz, rate)),
  compressor: compress,
  limiter: limit,
  reverb: reverberate,
  delay: echo,
  chorus: sway,
};

/** @param {Effect} effect @param {number} rate */
function band({ frequency_hz: hz, gain_db: db, q, shape }, rate) {
  if (shape === 'low_shelf') return shelf('low', hz, db, q, rate);
  return shape === 'high_shelf' ? shelf('high', hz, db, q, rate) : peak(hz, db, q, rate);
}

/** @param {Channels} channels @param {import('./filters.js').Section} by */
const filtered = (channels, by) => channels.map((samples) => filter(samples.slice(), by));

/** A stem of one channel gets two where an effect needs them.
 *
 * @param {Channels} channels
 * @param {Effect[]} chain
 * @param {number} rate
 */
export async function applyEffects(channels, chain, rate) {
  const wide = channels.length === 1 && chain.some(({ type }) => WIDE.includes(type));
  let through = wide ? [channels[0], channels[0]] : channels;
  for (const effect of chain) through = await APPLY[effect.type](through, effect, rate);
  return through;
}
