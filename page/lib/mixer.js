// The mixing desk, by Web Audio: levels, panning and filters as the server's (mixing/), reverb and echoes alike. What
// compresses, limits or sways is left to the server's mix. Knows no store and no view.

/** @typedef {Record<string, any> & { type: string }} Effect */
/** How one stem is mixed: dB, from -1 (left) to 1 (right), effects first to last.
 *
 * @typedef {{ level: number, panning: number, effects?: Effect[] }} Strip
 */

export const OFF_DB = -96; // the fader is closed: the stem is left out
export const LOUDEST_DB = 24;
export const APPROXIMATED = ['reverb', 'delay'];
export const LEFT_OUT = ['compressor', 'limiter', 'chorus'];

const BUTTERWORTH_DB = 20 * Math.log10(Math.SQRT1_2); // the Q of a pass filter, which Web Audio takes in dB
const RAMP_S = 0.02;

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

/** One stem's way from its source to the sum: effects, then level and panning. */
export class ChannelStrip {
  #channels;
  #gains;

  /** @param {BaseAudioContext} context @param {number} channels of the stem @param {Strip} strip */
  constructor(context, channels, strip) {
    this.#channels = channels;
    this.input = new GainNode(context, { channelCount: 2, channelCountMode: 'explicit' });
    this.output = new ChannelMergerNode(context, { numberOfInputs: 2 });
    const end = (strip.effects ?? []).reduce((node, effect) => applyEffect(context, node, effect), /** @type {AudioNode} */ (this.input));
    const split = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    end.connect(split);
    this.#gains = gainsOf(strip, channels).map((gain, side) => {
      const node = new GainNode(context, { gain });
      split.connect(node, side);
      node.connect(this.output, 0, side);
      return node;
    });
  }

  /** Heard at once. @param {Strip} strip */
  set(strip) {
    gainsOf(strip, this.#channels).forEach((gain, side) => {
      const { context } = this.#gains[side];
      this.#gains[side].gain.setTargetAtTime(gain, context.currentTime, RAMP_S);
    });
  }
}

/** @param {BaseAudioContext} context @param {AudioNode} from @param {Effect} effect @returns {AudioNode} */
function applyEffect(context, from, effect) {
  const filter = filterOf(context, effect);
  if (filter) return from.connect(filter);
  if (effect.type === 'reverb') return blended(context, from, effect.wet, 1 - effect.wet, (wet) => from.connect(reverbOf(context, effect)).connect(wet));
  if (effect.type !== 'delay') return from;
  return blended(context, from, effect.wet, 1, (wet) => {
    const delay = new DelayNode(context, { delayTime: effect.delay_ms / 1000, maxDelayTime: 2 });
    const back = new GainNode(context, { gain: effect.feedback });
    from.connect(delay).connect(wet);
    delay.connect(back).connect(delay);
  });
}

/** @param {BaseAudioContext} context @param {Effect} effect @returns {AudioNode | null} */
function filterOf(context, effect) {
  const { type, frequency_hz: frequency, gain_db: gain, q: Q } = effect;
  if (type === 'gain') return new GainNode(context, { gain: 10 ** (gain / 20) });
  if (type === 'highpass' || type === 'lowpass') return new BiquadFilterNode(context, { type, frequency, Q: BUTTERWORTH_DB });
  if (type !== 'equalizer') return null;
  const shape = /** @type {BiquadFilterType} */ ({ low_shelf: 'lowshelf', high_shelf: 'highshelf' }[/** @type {string} */ (effect.shape)] ?? 'peaking');
  return new BiquadFilterNode(context, { type: shape, frequency, gain, Q });
}

/** @param {BaseAudioContext} context @param {AudioNode} from @param {number} wet @param {number} dry @param {(wet: AudioNode) => void} feed */
function blended(context, from, wet, dry, feed) {
  const sum = new GainNode(context);
  const wetGain = new GainNode(context, { gain: wet });
  from.connect(new GainNode(context, { gain: dry })).connect(sum);
  feed(wetGain);
  wetGain.connect(sum);
  return sum;
}

/** Decaying noise of energy 1, as long as the server's. @param {BaseAudioContext} context @param {Effect} effect */
function reverbOf(context, { decay_s: decayS, pre_delay_ms: preMs, damping }) {
  const rate = context.sampleRate;
  const before = Math.round((preMs / 1000) * rate);
  const taps = Math.ceil(decayS * rate);
  const buffer = new AudioBuffer({ numberOfChannels: 2, length: before + taps, sampleRate: rate });
  for (const side of [0, 1]) {
    const noise = buffer.getChannelData(side);
    let energy = 0;
    let dull = 0;
    for (let at = 0; at < taps; at += 1) {
      const white = 2 * Math.random() - 1;
      dull += (1 - 0.8 * damping * (at / taps)) * (white - dull); // the treble goes first
      noise[before + at] = dull * 1000 ** (-at / taps);
      energy += noise[before + at] ** 2;
    }
    for (let at = 0; at < taps; at += 1) noise[before + at] /= Math.sqrt(energy);
  }
  return new ConvolverNode(context, { buffer, disableNormalization: true });
}

/** The sum of the stems without what masters it, rendered as fast as this machine can.
 *
 * @param {Record<string, AudioBuffer>} stems of one rate
 * @param {Record<string, Strip>} strips
 */
export async function renderMix(stems, strips) {
  const buffers = Object.values(stems);
  const length = Math.max(...buffers.map((buffer) => buffer.length));
  const context = new OfflineAudioContext(2, length, buffers[0].sampleRate);
  for (const [name, buffer] of Object.entries(stems)) {
    const strip = new ChannelStrip(context, buffer.numberOfChannels, strips[name]);
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(strip.input);
    strip.output.connect(context.destination);
    source.start();
  }
  return context.startRendering();
}
