// StemPlayer: a piece as it is mixed. Two layers play side by side: the finished mix, and the stems beneath it, which
// are heard from a change until the mix is made anew.

import { signal } from '@preact/signals';

import { ChannelStrip } from './channel_strip.js';
import { Mixer } from './mixer.js';
import { bufferOf } from './reverb.js';
import { letGo, speakers, takeOver } from './speakers.js';

/** @typedef {import('./mixer.js').Settings} Settings */
/** @typedef {import('./mixer.js').Strip} Strip */

const RAMP_S = 0.02;
const FADED_MS = 200; // a layer is silent by then
const LEAD_S = 0.01; // all that begins together is ready by then

export class StemPlayer {
  #mixer;
  #mix;
  #live;
  /** @type {Map<string, ChannelStrip>} */
  #strips = new Map();
  /** @type {Map<AudioNode, AudioBuffer>} what sounds into each */
  #buffers = new Map();
  /** @type {Map<string, string>} the effects that its stem has been through */
  #chains = new Map();
  /** @type {Map<AudioNode, AudioBufferSourceNode>} */
  #sources = new Map();
  #startedAt = 0; // the context's time at which its beginning would have sounded
  #restS = 0;
  #asked = 0; // the latest mix that was asked for
  #liveGain = 0;

  /** @param {Record<string, AudioBuffer>} stems of one rate */
  constructor(stems) {
    const { context, gain } = speakers();
    this.#mixer = new Mixer(stems);
    this.#mix = new GainNode(context, { gain: 0 });
    this.#live = new GainNode(context, { gain: 0 });
    for (const layer of [this.#mix, this.#live]) layer.connect(gain);
    for (const name of Object.keys(stems)) {
      const strip = new ChannelStrip(context);
      strip.output.connect(this.#live);
      this.#strips.set(name, strip);
    }
    this.playing = signal(false);
    this.durationS = this.#mixer.length / this.#mixer.rate;
  }

  get positionS() {
    if (!this.playing.peek()) return this.#restS;
    return Math.min(this.durationS, Math.max(0, speakers().context.currentTime - this.#startedAt));
  }

  /** Heard at once: the stems, so loud and there. @param {Record<string, Strip>} strips */
  move(strips) {
    this.#asked += 1;
    for (const [name, strip] of this.#strips) strip.set(this.#mixer.gains(name, strips[name]));
    this.#show(this.#live);
  }

  /** Makes the mix, and lets it be heard unless another was asked for meanwhile. @param {Settings} settings */
  async set(settings) {
    const own = (this.#asked += 1);
    const sum = await this.#mixer.sum(settings.strips);
    const mix = await this.#mixer.finish(sum, settings);
    if (own !== this.#asked) return;
    this.#liveGain = energy(sum) ? Math.sqrt(energy(mix) / energy(sum)) : 0;
    this.#load(this.#mix, bufferOf(mix, this.#mixer.rate));
    this.#show(this.#mix);
    setTimeout(() => this.#loadStems(settings.strips), FADED_MS);
  }

  /** Those whose effects have changed, while they are silent. @param {Record<string, Strip>} strips */
  async #loadStems(strips) {
    for (const [name, { input }] of this.#strips) {
      const effects = strips[name].effects ?? [];
      const chain = JSON.stringify(effects);
      if (this.#chains.get(name) === chain) continue;
      this.#chains.set(name, chain);
      this.#load(input, bufferOf(await this.#mixer.stem(name, effects), this.#mixer.rate));
    }
  }

  /** @param {GainNode} layer */
  #show(layer) {
    const { currentTime } = layer.context;
    this.#mix.gain.setTargetAtTime(layer === this.#mix ? 1 : 0, currentTime, RAMP_S);
    this.#live.gain.setTargetAtTime(layer === this.#live ? this.#liveGain : 0, currentTime, RAMP_S);
  }

  play() {
    takeOver(this);
    const { context } = speakers();
    if (context.state === 'suspended') context.resume().catch(() => {});
    if (this.#restS >= this.durationS) this.#restS = 0;
    this.#startedAt = context.currentTime + LEAD_S - this.#restS;
    this.playing.value = true;
    for (const node of this.#buffers.keys()) this.#start(node);
  }

  pause() {
    if (this.playing.peek()) this.#rest(this.positionS);
  }

  toggle() {
    if (this.playing.peek()) this.pause();
    else this.play();
  }

  /** @param {number} seconds */
  seek(seconds) {
    const played = this.playing.peek();
    this.#rest(Math.min(this.durationS, Math.max(0, seconds)));
    if (played) this.play();
  }

  /** Falls silent, and leaves the output to others. */
  end() {
    this.#asked += 1;
    letGo(this);
    for (const layer of [this.#mix, this.#live]) layer.disconnect();
  }

  /** @param {AudioNode} node @param {AudioBuffer} buffer that sounds into it from now on */
  #load(node, buffer) {
    this.#buffers.set(node, buffer);
    if (this.playing.peek()) this.#start(node);
  }

  /** @param {AudioNode} node */
  #start(node) {
    this.#stop(node);
    const { context } = speakers();
    const when = context.currentTime + LEAD_S;
    const source = new AudioBufferSourceNode(context, { buffer: this.#buffers.get(node) });
    source.connect(node);
    source.start(when, when - this.#startedAt);
    if (node === this.#mix) source.onended = () => this.#rest(this.durationS);
    this.#sources.set(node, source);
  }

  /** @param {AudioNode} node */
  #stop(node) {
    const source = this.#sources.get(node);
    if (!source) return;
    source.onended = null;
    source.stop();
    source.disconnect();
    this.#sources.delete(node);
  }

  /** @param {number} seconds where it stands then */
  #rest(seconds) {
    for (const node of [...this.#sources.keys()]) this.#stop(node);
    this.#restS = seconds;
    this.playing.value = false;
  }
}

/** @param {Float32Array[]} channels */
const energy = (channels) => channels.reduce((sum, samples) => samples.reduce((all, sample) => all + sample ** 2, sum), 0);
