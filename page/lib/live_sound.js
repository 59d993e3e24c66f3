// LiveSound: a sound that may still grow while it plays, by Web Audio. Owns its samples, and where in it one listens.

import { signal } from '@preact/signals';

import { keepWithin } from './loop.js';
import { speakers, takeOver, unlock } from './speakers.js';

/** @typedef {import('musicgen-api').AudioChunk} AudioChunk */

const HEAD_START_S = 0.25; // of what is made, before it plays on after a gap
const CUT_S = 0.02;

export class LiveSound {
  /** @type {Float32Array[]} one for each channel, longer than what is made */
  #channels = [];
  /** @type {Set<AudioBufferSourceNode>} */
  #sources = new Set();
  #anchor = { at: 0, position: 0 }; // the context's time at which the sound's position is heard
  #scheduledS = 0; // up to where in the sound the output has it
  #restS = 0; // where it stands while it does not play

  constructor() {
    this.sampleRate = 32_000;
    /** Frames that are made; grows. */
    this.frames = signal(0);
    this.complete = signal(false);
    this.playing = signal(false);
    /** Changes when one listens elsewhere than playing led to. */
    this.moves = signal(0);
    /** What is played again and again. */
    this.loop = signal(/** @type {import('./loop.js').Region | null} */ (null));
    keepWithin(this);
  }

  get madeS() {
    return this.frames.value / this.sampleRate;
  }

  /** The first channel, as far as it is made: its picture. */
  get samples() {
    return this.#channels[0] ?? new Float32Array(0);
  }

  /** Where one listens, in seconds. */
  get positionS() {
    if (!this.playing.peek()) return this.#restS;
    const { at, position } = this.#anchor;
    const heard = position + Math.max(0, speakers().context.currentTime - at);
    return Math.min(heard, this.#scheduledS);
  }

  /** Forgets what was made: it comes again from the beginning. */
  reset() {
    this.frames.value = 0;
    this.complete.value = false;
    this.#silence();
    this.#scheduledS = 0;
    if (this.playing.peek()) this.#restS = 0;
    this.#anchor = { at: 0, position: 0 };
  }

  /** @param {AudioChunk} chunk */
  add(chunk) {
    if (chunk.restart) this.reset();
    const from = Math.round(chunk.startS * chunk.sampleRate);
    this.sampleRate = chunk.sampleRate;
    this.#reserve(chunk.channels, from + chunk.frames);
    for (let number = 0; number < chunk.channels; number += 1) this.#channels[number].set(chunk.channel(number), from);
    this.frames.value = Math.max(this.frames.value, from + chunk.frames); // one that is heard again repeats itself
    if (this.playing.peek()) this.#schedule();
  }

  /** No more will come. */
  finish() {
    this.complete.value = true;
    if (this.playing.peek()) this.#schedule();
  }

  /** The whole of it at once. @param {AudioBuffer} buffer */
  fill(buffer) {
    this.sampleRate = buffer.sampleRate;
    this.#reserve(buffer.numberOfChannels, buffer.length);
    this.#channels.forEach((channel, number) => channel.set(buffer.getChannelData(number)));
    this.frames.value = buffer.length;
    this.finish();
  }

  play() {
    takeOver(this);
    unlock();
    if (this.complete.peek() && this.#restS >= this.madeS - CUT_S) this.#restS = 0;
    this.playing.value = true;
    this.#startFrom(this.#restS);
  }

  pause() {
    if (!this.playing.peek()) return;
    this.#restS = this.positionS;
    this.playing.value = false;
    this.#silence();
  }

  toggle() {
    if (this.playing.peek()) this.pause();
    else this.play();
  }

  /** @param {number} seconds */
  seek(seconds) {
    this.#restS = Math.min(Math.max(0, seconds), this.madeS);
    this.moves.value += 1;
    if (this.playing.peek()) this.#startFrom(this.#restS);
  }

  /** @param {number} position */
  #startFrom(position) {
    this.#silence();
    this.#scheduledS = position;
    this.#anchor = { at: speakers().context.currentTime + CUT_S, position };
    this.#schedule();
  }

  /** Gives the output what is made beyond what it has. */
  #schedule() {
    const { context, gain } = speakers();
    const from = Math.round(this.#scheduledS * this.sampleRate);
    const count = this.frames.peek() - from;
    const enough = this.complete.peek() ? 1 : HEAD_START_S * this.sampleRate;
    let at = this.#anchor.at + this.#scheduledS - this.#anchor.position;
    const late = at < context.currentTime;
    if (count < (late || !this.#sources.size ? enough : 1)) return this.#endIfOver(count);
    if (late) {
      at = context.currentTime + CUT_S;
      this.#anchor = { at, position: this.#scheduledS };
    }
    const buffer = context.createBuffer(this.#channels.length, count, this.sampleRate);
    this.#channels.forEach((channel, number) => buffer.copyToChannel(/** @type {Float32Array<ArrayBuffer>} */ (channel.subarray(from, from + count)), number));
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(gain);
    source.start(at);
    source.onended = () => {
      this.#sources.delete(source);
      this.#endIfOver(this.frames.peek() - Math.round(this.#scheduledS * this.sampleRate));
    };
    this.#sources.add(source);
    this.#scheduledS += count / this.sampleRate;
  }

  /** @param {number} left frames that the output does not have yet */
  #endIfOver(left) {
    if (!this.complete.peek() || left > 0 || this.#sources.size || !this.playing.peek()) return;
    const { fromS = this.madeS } = this.loop.peek() ?? {};
    if (fromS < this.madeS - CUT_S) return this.seek(fromS);
    this.#restS = this.madeS;
    this.playing.value = false;
  }

  #silence() {
    for (const source of this.#sources) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    this.#sources.clear();
  }

  /** @param {number} channels @param {number} frames */
  #reserve(channels, frames) {
    const room = this.#channels[0]?.length ?? 0;
    if (this.#channels.length === channels && room >= frames) return;
    const size = Math.max(frames, 2 * room, 8 * this.sampleRate);
    this.#channels = Array.from({ length: channels }, (_, number) => {
      const longer = new Float32Array(size);
      longer.set((this.#channels[number] ?? new Float32Array(0)).subarray(0, this.frames.peek()));
      return longer;
    });
  }
}
