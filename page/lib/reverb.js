// Reverb, echoes and chorus as the server's (mixing/reverb.py); the reverb's noise is another, as loud in each octave.

import { filter, pass } from './filters.js';

/** @typedef {import('./effects.js').Channels} Channels */
/** @typedef {import('./effects.js').Effect} Effect */

const TREBLE_HZ = 3500;
const DULLEST = 0.85; // at full damping the treble's decay is this much shorter
const EIGHTH_ORDER = [1, 3, 5, 7].map((n) => 1 / (2 * Math.cos((n * Math.PI) / 16))); // the sections' Q
const SEED = 1770;

/** @param {Channels} channels two @param {Effect} effect @param {number} rate @returns {Promise<Channels>} */
export async function reverberate(channels, effect, rate) {
  const { length } = channels[0];
  const context = new OfflineAudioContext(2, length, rate);
  const impulse = bufferOf(impulseOf(effect, rate), rate);
  const source = new AudioBufferSourceNode(context, { buffer: bufferOf(channels, rate) });
  source.connect(new ConvolverNode(context, { buffer: impulse, disableNormalization: true })).connect(context.destination);
  source.start();
  const wet = await context.startRendering();
  return channels.map((samples, side) => blend(samples, 1 - effect.wet, wet.getChannelData(side), effect.wet));
}

/** Decaying noise of energy 1 for each channel; bass and treble decay apart. @param {Effect} effect @param {number} rate */
function impulseOf({ decay_s: decayS, pre_delay_ms: preMs, damping }, rate) {
  const taps = Math.ceil(decayS * rate);
  const before = Math.round((preMs / 1000) * rate);
  const random = randomFrom(SEED);
  return [0, 1].map(() => {
    const noise = Float64Array.from({ length: taps }, () => random() + random() + random() - 1.5);
    const fall = (/** @type {number} */ at, /** @type {number} */ seconds) => 1000 ** (-at / rate / seconds);
    const dullS = decayS * (1 - DULLEST * damping);
    const [bass, treble] = (/** @type {const} */ (['lowpass', 'highpass'])).map((side) => split(noise, side, rate));
    const impulse = bass.map((sample, at) => sample * fall(at, decayS) + treble[at] * fall(at, dullS));
    const energy = Math.sqrt(impulse.reduce((sum, sample) => sum + sample ** 2, 0));
    const padded = new Float32Array(before + taps);
    impulse.forEach((sample, at) => (padded[before + at] = sample / energy));
    return padded;
  });
}

/** @param {Float64Array} noise @param {'highpass' | 'lowpass'} side @param {number} rate */
function split(noise, side, rate) {
  return EIGHTH_ORDER.reduce((samples, q) => filter(samples, pass(side, Math.min(TREBLE_HZ, 0.45 * rate), rate, q)), noise.slice());
}

/** The same numbers from 0 to 1 each time (mulberry32). @param {number} seed */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param {Channels} channels @param {Effect} effect @param {number} rate @returns {Channels} */
export function echo(channels, { delay_ms: delayMs, feedback, wet }, rate) {
  const gap = Math.max(1, Math.round((delayMs / 1000) * rate));
  return channels.map((samples) => {
    const echoes = new Float32Array(samples.length);
    for (let at = gap; at < samples.length; at += 1) echoes[at] = samples[at - gap] + feedback * echoes[at - gap];
    return blend(samples, 1, echoes, wet);
  });
}

/** A second voice whose delay sways, a quarter apart in the two channels. @param {Channels} channels @param {Effect} effect @param {number} rate @returns {Channels} */
export function sway(channels, { rate_hz: hz, depth_ms: depthMs, centre_ms: centreMs, wet }, rate) {
  return channels.map((samples, side) => {
    const voice = samples.map((_, at) => {
      const angle = (2 * Math.PI * hz * at) / rate + (side * Math.PI) / 2;
      const place = at - (Math.max(0, centreMs + depthMs * Math.sin(angle)) / 1000) * rate;
      const before = Math.floor(place);
      if (place < 0) return 0;
      return samples[before] + (place - before) * ((samples[before + 1] ?? 0) - samples[before]);
    });
    return blend(samples, 1 - wet, voice, wet);
  });
}

/** @param {Float32Array} one @param {number} share @param {Float32Array} other @param {number} otherShare */
const blend = (one, share, other, otherShare) => one.map((sample, at) => share * sample + otherShare * other[at]);

/** @param {Channels} channels @param {number} rate */
export function bufferOf(channels, rate) {
  const buffer = new AudioBuffer({ numberOfChannels: channels.length, length: channels[0].length, sampleRate: rate });
  channels.forEach((samples, side) => buffer.copyToChannel(/** @type {Float32Array<ArrayBuffer>} */ (samples), side));
  return buffer;
}
