// StemPlayer: stems that play together through the mixing desk, each change heard at once.

import { signal } from '@preact/signals';

import { masterGain } from './loudness.js';
import { ChannelStrip, renderMix } from './mixer.js';
import { letGo, speakers, takeOver } from './speakers.js';

/** @typedef {import('./mixer.js').Strip} Strip */

const RAMP_S = 0.05;

export class StemPlayer {
  #stems;
  /** @type {Map<string, ChannelStrip>} */
  #strips = new Map();
  /** @type {AudioBufferSourceNode[]} */
  #sources = [];
  #master;
  #startedAt = 0; // the context's time at which its beginning would have sounded
  #restS = 0;
  #measured = 0; // the latest measurement that was asked for

  /** @param {Record<string, AudioBuffer>} stems @param {Record<string, Strip>} strips */
  constructor(stems, strips) {
    const { context, gain } = speakers();
    this.#stems = stems;
    this.#master = new GainNode(context);
    this.#master.connect(gain);
    for (const [name, buffer] of Object.entries(stems)) {
      const strip = new ChannelStrip(context, buffer.numberOfChannels, strips[name]);
      strip.output.connect(this.#master);
      this.#strips.set(name, strip);
    }
    this.playing = signal(false);
    this.durationS = Math.max(...Object.values(stems).map((buffer) => buffer.duration));
  }

  get positionS() {
    if (!this.playing.peek()) return this.#restS;
    return Math.min(this.durationS, Math.max(0, speakers().context.currentTime - this.#startedAt));
  }

  /** Mixes them so from now on, at that loudness as soon as it is measured. @param {Record<string, Strip>} strips @param {number} lufs */
  async set(strips, lufs) {
    for (const [name, strip] of this.#strips) strip.set(strips[name]);
    const own = (this.#measured += 1);
    const gain = masterGain(await renderMix(this.#stems, strips), lufs);
    if (own !== this.#measured) return;
    this.#master.gain.setTargetAtTime(gain, this.#master.context.currentTime, RAMP_S);
  }

  play() {
    takeOver(this);
    const { context } = speakers();
    if (context.state === 'suspended') context.resume().catch(() => {});
    if (this.#restS >= this.durationS) this.#restS = 0;
    this.#startedAt = context.currentTime - this.#restS;
    this.#sources = [...this.#strips].map(([name, strip]) => {
      const source = new AudioBufferSourceNode(context, { buffer: this.#stems[name] });
      source.connect(strip.input);
      source.start(0, this.#restS);
      return source;
    });
    this.#sources[0].onended = () => this.#rest(this.durationS);
    this.playing.value = true;
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
    letGo(this);
    this.#master.disconnect();
  }

  /** @param {number} seconds where it stands then */
  #rest(seconds) {
    for (const source of this.#sources) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    this.#sources = [];
    this.#restS = seconds;
    this.playing.value = false;
  }
}
