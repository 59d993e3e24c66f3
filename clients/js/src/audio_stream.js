// AudioStream: the sound of a task while it is made, its WAV over fetch, read as it comes. Owns opening it again when a
// connection breaks: the server sends it from the first sample on, and what was received is not given twice.

import { openBytes } from './bytes.js';
import { ChunkAssembler } from './chunk_assembler.js';
import { pause } from './http.js';
import { WavReader } from './wav_reader.js';

const RETRY_MS = 500; // unless the server says otherwise
const SILENCE_MS = 60_000; // then the connection is opened again, in case nobody is there any more

/** Yields chunk after chunk, from the clip's beginning to its end. */
export async function* receiveChunks(http, path, { signal, patienceMs }) {
  const assembler = new ChunkAssembler();
  let brokenSince = null;
  for (;;) {
    let failure;
    try {
      for await (const samples of receiveSamples(http, path, signal)) {
        const chunk = assembler.take(samples);
        if (chunk) yield chunk;
        if (chunk) brokenSince = null;
      }
      const last = assembler.end();
      if (last) yield last;
      return;
    } catch (error) {
      if (!error?.retryable || error.retryAfterMs > http.maxRetryWaitMs) throw error;
      failure = error;
    }
    brokenSince ??= Date.now();
    if (Date.now() - brokenSince > patienceMs) throw failure;
    await pause(failure.retryAfterMs ?? RETRY_MS, signal);
    assembler.beginAgain();
  }
}

/** Yields what one connection gives: { samples, sampleRate, channels }. */
async function* receiveSamples(http, path, signal) {
  const wav = new WavReader();
  for await (const bytes of await openBytes(http, http.audioPath(`${path}/stream`, { format: 'wav' }), { signal, silenceMs: SILENCE_MS })) {
    const samples = wav.take(bytes);
    if (samples) yield samples;
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
