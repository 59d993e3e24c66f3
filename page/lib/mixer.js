// The mixing desk: the server's arithmetic (mixing/mixer.py) on samples. Knows no store and no view.

import { applyEffects } from './effects.js';
import { master } from './loudness.js';

/** @typedef {import('./effects.js').Effect} Effect */
/** @typedef {import('./effects.js').Channels} Channels */
/** How one stem is mixed: dB, from -1 (left) to 1 (right), effects first to last.
 *
 * @typedef {{ level: number, panning: number, effects?: Effect[] }} Strip
 */
/** How a piece is mixed; the sum goes through the bus.
 *
 * @typedef {{ strips: Record<string, Strip>, bus: Effect[], loudness: number }} Settings
 */

export const OFF_DB = -96; // the fader is closed: the stem is left out
export const LOUDEST_DB = 24;

/** @param {number} db */
export const gainOf = (db) => (db <= OFF_DB ? 0 : 10 ** (db / 20));

/** The gains of left and right: equal power, a stereo stem in the middle as it is. @param {Strip} strip @param {number} channels */
export function gainsOf({ level, panning }, channels) {
  const angle = ((panning + 1) * Math.PI) / 4;
  const gain = gainOf(level) * (channels === 1 ? 1 : Math.SQRT2);
  return [gain * Math.cos(angle), gain * Math.sin(angle)];
}

/** What is heard of each stem when some are muted, or played alone.
 *
 * @template {Strip} T
 * @param {Record<string, T>} strips
 * @param {Set<string>} muted
 * @param {Set<string>} solo
 * @returns {Record<string, T>}
 */
export function audible(strips, muted, solo) {
  const off = (/** @type {string} */ name) => (solo.size ? !solo.has(name) : muted.has(name));
  return Object.fromEntries(Object.entries(strips).map(([name, strip]) => [name, off(name) ? { ...strip, level: OFF_DB } : strip]));
}

/** Stems of one rate and their mix. What their effects make of them is kept until these change. */
export class Mixer {
  #stems;
  /** @type {Record<string, { chain: string, channels: Channels }>} */
  #through = {};

  /** @param {Record<string, AudioBuffer>} stems */
  constructor(stems) {
    const buffers = Object.values(stems);
    this.#stems = stems;
    this.rate = buffers[0].sampleRate;
    this.length = Math.max(...buffers.map((buffer) => buffer.length));
  }

  /** @param {string} name @param {Strip} strip */
  gains(name, strip) {
    return gainsOf(strip, this.#stems[name].numberOfChannels);
  }

  /** A stem through its effects, as long as the longest. @param {string} name @param {Effect[]} effects */
  async stem(name, effects) {
    const chain = JSON.stringify(effects);
    if (this.#through[name]?.chain !== chain) {
      const stem = this.#stems[name];
      const channels = Array.from({ length: stem.numberOfChannels }, (_, side) => {
        const padded = new Float32Array(this.length);
        padded.set(stem.getChannelData(side));
        return padded;
      });
      this.#through[name] = { chain, channels: await applyEffects(channels, effects, this.rate) };
    }
    return this.#through[name].channels;
  }

  /** The stems together, before the bus. @param {Record<string, Strip>} strips */
  async sum(strips) {
    const sum = [0, 1].map(() => new Float32Array(this.length));
    for (const name of Object.keys(this.#stems)) {
      const strip = strips[name];
      if (strip.level <= OFF_DB) continue;
      const channels = await this.stem(name, strip.effects ?? []);
      this.gains(name, strip).forEach((gain, side) => {
        const from = channels[side] ?? channels[0];
        for (let at = 0; at < this.length; at += 1) sum[side][at] += gain * from[at];
      });
    }
    return sum;
  }

  /** That through the bus, at its loudness. @param {Channels} sum @param {Settings} settings */
  async finish(sum, { bus, loudness }) {
    return master(await applyEffects(sum, bus, this.rate), this.rate, loudness);
  }

  /** @param {Settings} settings */
  async mix(settings) {
    return this.finish(await this.sum(settings.strips), settings);
  }
}
