// Clip: the music that a task has ended with; Mix: that of several instruments.

import { NotFoundError, TaskCancelledError, TaskFailedError } from './errors.js';

export function pathOf(id) {
  return `/tasks/${encodeURIComponent(id)}`;
}

/** The clip of a task that completed; raises how it ended otherwise. */
export function clipOf(http, state) {
  if (state.gone) throw gone(state.task_id, 'its record is gone');
  if (state.status !== 'completed') throw endOf(state);
  return state.parts ? new Mix(http, state) : new Clip(http, state);
}

/** How a task ended that did not complete, as an error. */
export function endOf(state) {
  return state.status === 'cancelled' ? new TaskCancelledError(state) : new TaskFailedError(state);
}

export function gone(id, why) {
  return new NotFoundError(`the task ${id}: ${why}`, { status: 404, code: 'GONE' });
}

/** What the document's GET /generate/{task_id} answers, and the audio behind it. */
export class Clip {
  #http;

  constructor(http, state) {
    this.#http = http;
    this.task_id = state.task_id;
    this.status = state.status;
    this.audio_url = http.url(state.audio_url);
    this.duration = state.duration;
    this.metadata = {
      prompt: state.prompt,
      model: state.model,
      seed: state.seed,
      format: state.format,
      sample_rate: state.sample_rate,
      channels: state.channels,
      bytes: state.bytes,
      sha256: state.sha256,
      generation_time: state.generation_time,
      filename: state.filename,
      fingerprint: state.fingerprint,
      warnings: state.warnings,
    };
  }

  /** The file, by a link that is new each time: `audio_url` may run out. With `format`, as the server converts it. */
  async blob({ signal, format } = {}) {
    return this.#read(signal, format, (response) => response.blob());
  }

  async bytes({ signal, format } = {}) {
    return new Uint8Array(await this.#read(signal, format, (response) => response.arrayBuffer()));
  }

  /** The file's bytes as they arrive: a ReadableStream. */
  async stream({ signal, format } = {}) {
    return this.#read(signal, format, (response) => response.body);
  }

  /** Writes the file, and returns its path; in a browser it goes to the downloads. */
  async save(path, { signal, format } = {}) {
    const name = path ?? (format ? `${this.task_id}.${format}` : this.metadata.filename);
    const files = globalThis.process?.getBuiltinModule?.('node:fs/promises');
    if (files) await files.writeFile(name, await this.bytes({ signal, format }));
    else download(await this.blob({ signal, format }), name);
    return name;
  }

  #read(signal, format, read) {
    const path = this.#http.audioPath(`${pathOf(this.task_id)}/audio`, format ? { format } : {});
    return this.#http.call('GET', path, { signal, untimed: true }, read);
  }
}

/** A piece for several instruments. */
export class Mix extends Clip {
  #http;

  constructor(http, state) {
    super(http, state);
    this.#http = http;
    const { tempo_bpm, key, mix_preset, mix_of, loudness, parts } = state;
    Object.assign(this.metadata, { tempo_bpm, key, mix_preset, mix_of, loudness, parts });
  }

  /** The clip of each instrument, by its name. */
  async stems({ signal } = {}) {
    const clips = this.metadata.parts.map(async ({ name, task_id: id }) => {
      const state = await this.#http.json('GET', pathOf(id), { signal });
      return [name, clipOf(this.#http, state)];
    });
    return Object.fromEntries(await Promise.all(clips));
  }
}

function download(blob, name) {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser may still be reading
}
