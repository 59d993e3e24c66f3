// ChunkAssembler: what was given of a clip, and what a connection that was opened again repeats of it. Opens none.

/** Some samples of the clip, in their order. */
export class AudioChunk {
  constructor({ samples, sampleRate, channels, startS, restart }) {
    /** 16 bits each, the channels interleaved: what the file holds. An Int16Array. */
    this.samples = samples;
    this.sampleRate = sampleRate;
    this.channels = channels;
    /** Samples of each channel. */
    this.frames = samples.length / channels;
    /** Where in the clip it begins. */
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

export class ChunkAssembler {
  #format = null;
  #given = 0; // samples
  #checksum = new Checksum();
  #repeated = null; // while the connection repeats what was given: { kept, count, checksum }

  /** Each connection sends the clip from its first sample on. */
  beginAgain() {
    this.#repeated = this.#given ? { kept: [], count: 0, checksum: new Checksum() } : null;
  }

  /** The chunk to give, or null. */
  take({ samples, ...format }) {
    const repeated = this.#repeated;
    if (!repeated) return this.#give(samples, format);
    const known = samples.subarray(0, this.#given - repeated.count);
    repeated.kept.push(samples);
    repeated.count += known.length;
    repeated.checksum.add(known);
    const { sampleRate, channels } = this.#format;
    const alike = format.sampleRate === sampleRate && format.channels === channels;
    if (alike && repeated.count < this.#given) return null;
    if (!alike || !repeated.checksum.equals(this.#checksum)) return this.#restart(format);
    this.#repeated = null;
    return known.length < samples.length ? this.#give(samples.slice(known.length), format) : null;
  }

  /** After a proper end: all there is of a clip that came out shorter than what was given before. */
  end() {
    return this.#repeated?.count ? this.#restart(this.#format) : null;
  }

  #restart(format) {
    const { kept } = this.#repeated;
    const samples = new Int16Array(kept.reduce((sum, one) => sum + one.length, 0));
    kept.reduce((at, one) => (samples.set(one, at), at + one.length), 0);
    [this.#given, this.#checksum, this.#repeated] = [0, new Checksum(), null];
    return this.#give(samples, format, true);
  }

  #give(samples, format, restart = false) {
    const startS = this.#given / format.channels / format.sampleRate;
    this.#format = format;
    this.#given += samples.length;
    this.#checksum.add(samples);
    return new AudioChunk({ samples, ...format, startS, restart });
  }
}

/** 64 bits by which any number of samples are compared; WebCrypto has no digest that can be added to. */
class Checksum {
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
