// The sound of a task while it is made: its WAV over fetch, read as it comes. Owns the samples, and the coming back
// when a connection breaks: the server tells them from the first one on again, and what was heard is not given twice.

import { joined, openBytes } from './bytes.js';
import { MusicGenError } from './errors.js';
import { pause } from './http.js';

const RETRY_MS = 500; // unless the server says otherwise
const SILENCE_MS = 60_000; // then the connection is opened again, in case nobody is there any more
const UNKNOWN = 0xffffffff; // as a length: all that comes

/** Some samples of the piece, in their order. */
export class AudioChunk {
  constructor({ samples, sampleRate, channels, startS, restart }) {
    /** 16 bits each, the channels interleaved: what the file holds. An Int16Array. */
    this.samples = samples;
    this.sampleRate = sampleRate;
    this.channels = channels;
    /** Samples of each channel. */
    this.frames = samples.length / channels;
    /** Where in the piece it begins. */
    this.startS = startS;
    this.durationS = this.frames / sampleRate;
    /** The task was begun anew and sounds otherwise: forget all chunks before this one. */
    this.restart = restart;
  }

  /** One channel's samples from -1 to 1, as an AudioBuffer takes them. */
  channel(number = 0) {
    const { samples, channels, frames } = this;
    return Float32Array.from({ length: frames }, (_, at) => samples[at * channels + number] / 32768);
  }
}

/** Chunk after chunk, from the piece's beginning to its end. */
export async function* hear(http, path, { signal, patienceMs }) {
  const heard = new Heard();
  let brokenSince = null;
  for (;;) {
    let failure;
    try {
      for await (const piece of pieces(http, path, signal)) {
        const chunk = heard.take(piece);
        if (chunk) yield chunk;
        if (chunk) brokenSince = null;
      }
      const last = heard.end();
      if (last) yield last;
      return;
    } catch (error) {
      if (!error?.retryable || error.retryAfterMs > http.maxRetryWaitMs) throw error;
      failure = error;
    }
    brokenSince ??= Date.now();
    if (Date.now() - brokenSince > patienceMs) throw failure;
    await pause(failure.retryAfterMs ?? RETRY_MS, signal);
    heard.beginAgain();
  }
}

/** What one connection tells: { samples, sampleRate, channels }. */
async function* pieces(http, path, signal) {
  const wav = new Wav();
  for await (const bytes of await openBytes(http, `${path}/stream?format=wav`, { signal, silenceMs: SILENCE_MS })) {
    const piece = wav.take(bytes);
    if (piece) yield piece;
  }
}

/** A WAV of 16-bit samples, wherever its bytes are cut, and whatever stands before and after its samples. */
class Wav {
  #rest = new Uint8Array(0);
  #format = null;
  #left = null; // bytes of samples to come; null in the head

  take(bytes) {
    let all = joined(this.#rest, bytes);
    if (this.#left === null) all = this.#head(all);
    if (this.#left === null) {
      this.#rest = all;
      return null;
    }
    const frame = 2 * this.#format.channels;
    const size = Math.floor(Math.min(all.length, this.#left) / frame) * frame;
    this.#rest = all.slice(size);
    this.#left -= size;
    return size ? { ...this.#format, samples: new Int16Array(all.slice(0, size).buffer) } : null;
  }

  /** What follows the head; while that is not whole, all there is of it. */
  #head(all) {
    const view = new DataView(all.buffer, all.byteOffset, all.length);
    const nameAt = (at) => String.fromCharCode(...all.subarray(at, at + 4));
    if (all.length >= 12 && nameAt(8) !== 'WAVE') throw noSound('is no WAV');
    for (let at = 12; at + 8 <= all.length; ) {
      const size = view.getUint32(at + 4, true);
      if (nameAt(at) === 'fmt ' && at + 24 <= all.length) this.#format = formatOf(view, at + 8);
      if (nameAt(at) === 'data' && this.#format) {
        this.#left = size === UNKNOWN ? Infinity : size;
        return all.slice(at + 8);
      }
      at += 8 + size + (size % 2);
    }
    return all;
  }
}

function formatOf(view, at) {
  if (view.getUint16(at + 14, true) !== 16) throw noSound('has other than 16-bit samples');
  return { channels: view.getUint16(at + 2, true), sampleRate: view.getUint32(at + 4, true) };
}

function noSound(why) {
  return new MusicGenError(`what the server streams ${why}; is baseUrl the address of the API?`, { code: 'NO_SOUND' });
}

/** What a listener was given, and what a connection that was opened again tells of it once more. */
class Heard {
  #format = null;
  #given = 0; // samples
  #sum = new Sum();
  #again = null; // while that is told again: { held, count, sum }

  /** Every connection tells the piece from its first sample on. */
  beginAgain() {
    this.#again = this.#given ? { held: [], count: 0, sum: new Sum() } : null;
  }

  /** The chunk to give, or null. */
  take({ samples, ...format }) {
    const again = this.#again;
    if (!again) return this.#give(samples, format);
    const known = samples.subarray(0, this.#given - again.count);
    again.held.push(samples);
    again.count += known.length;
    again.sum.add(known);
    const { sampleRate, channels } = this.#format;
    const alike = format.sampleRate === sampleRate && format.channels === channels;
    if (alike && again.count < this.#given) return null;
    if (!alike || !again.sum.equals(this.#sum)) return this.#restart(format);
    this.#again = null;
    return known.length < samples.length ? this.#give(samples.slice(known.length), format) : null;
  }

  /** After a proper end: what a shorter piece than was heard before consists of. */
  end() {
    return this.#again?.count ? this.#restart(this.#format) : null;
  }

  #restart(format) {
    const held = this.#again.held;
    const samples = new Int16Array(held.reduce((sum, one) => sum + one.length, 0));
    held.reduce((at, one) => (samples.set(one, at), at + one.length), 0);
    [this.#given, this.#sum, this.#again] = [0, new Sum(), null];
    return this.#give(samples, format, true);
  }

  #give(samples, format, restart = false) {
    const startS = this.#given / format.channels / format.sampleRate;
    this.#format = format;
    this.#given += samples.length;
    this.#sum.add(samples);
    return new AudioChunk({ samples, ...format, startS, restart });
  }
}

/** Of any number of samples, 64 bits that tell whether others are the same; WebCrypto has none that can be added to. */
class Sum {
  #a = 1;
  #b = 2;

  add(samples) {
    let [a, b] = [this.#a, this.#b];
    for (const sample of samples) {
      a = Math.imul(((a << 5) | (a >>> 27)) ^ sample, 0x9e3779b1);
      b = Math.imul(((b << 7) | (b >>> 25)) ^ sample, 0x85ebca6b);
    }
    [this.#a, this.#b] = [a, b];
  }

  equals(other) {
    return this.#a === other.#a && this.#b === other.#b;
  }
}

/** The sound of a request while it is made, to be iterated once. Leaving the loop before its end cancels the task. */
export class AudioStream {
  #submit;
  #signal;

  constructor(submit, signal) {
    this.#submit = submit;
    this.#signal = signal;
    /** Null until the request is accepted. */
    this.task = null;
  }

  async *[Symbol.asyncIterator]() {
    if (this.task) throw new TypeError('a stream can be heard once; task.listen() hears it again');
    this.task = await this.#submit();
    let left = true;
    try {
      yield* this.task.listen({ signal: this.#signal });
      left = false;
    } catch (error) {
      left = Boolean(this.#signal?.aborted);
      throw error;
    } finally {
      if (left) this.task.cancel().catch(() => {}); // nobody waits for it: who leaves goes on at once
    }
  }

  /** The finished file. */
  async clip(options) {
    if (!this.task) throw new TypeError('nothing is submitted before the stream is heard: iterate it first');
    return this.task.wait(options);
  }
}
