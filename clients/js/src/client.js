// MusicGenAPI: the client. Owns its options and the submitting; what comes of a submission is a Task's or a Batch's.

import { AudioStream } from './audio_stream.js';
import { Batch } from './batch.js';
import { encode, inJson, instrumentsInJson } from './body.js';
import { Http, jsonBody } from './http.js';
import { withDefaults } from './options.js';
import { cancelledBy, submit } from './submission.js';
import { Task } from './task.js';

export class MusicGenAPI {
  #http;
  #patienceMs;

  constructor(options = {}) {
    const all = withDefaults(options);
    this.#http = new Http(all);
    this.#patienceMs = all.streamPatienceMs;
  }

  /** Submits and waits for the clip. An aborted signal cancels the task. `onProgress` gets each event. */
  async generate(request, options = {}) {
    const task = await this.submit(request, options);
    return cancelledBy(options.signal, task, () => task.wait(options));
  }

  /** Submits; the Task as soon as it is accepted. Sent again after a failure, it is the same task. */
  async submit(request, options = {}) {
    if (request.variations !== undefined) throw new TypeError('for variations, call variations(request, count)');
    return submit(this.#http, '/tasks', await encode(request), options, (state) => this.#task(state));
  }

  /** The sound while it is made. Submits when it is iterated; leaving the loop or an aborted signal cancels the task. */
  stream(request, options = {}) {
    const { output_format = 'wav', cache = output_format === 'wav' } = request; // of a kept result there is only its file
    return new AudioStream(() => this.submit({ ...request, cache, stream: true }, options), options.signal);
  }

  /** Submits a piece for several instruments; its Task is the mix's. */
  async submitMultiInstrument(request, options = {}) {
    const body = jsonBody({ ...request, instruments: await instrumentsInJson(request.instruments) });
    return submit(this.#http, '/tasks/multi-instrument', body, options, (state) => this.#task(state));
  }

  /** Submits it and waits for the Mix. An aborted signal cancels all of it. */
  async multiInstrument(request, options = {}) {
    const task = await this.submitMultiInstrument(request, options);
    return cancelledBy(options.signal, task, () => task.wait(options));
  }

  /** Submits up to 100 requests, all or none. */
  async submitBatch(requests, options = {}) {
    const body = jsonBody({ requests: await Promise.all(requests.map(inJson)) });
    return submit(this.#http, '/tasks/batch', body, options, (state) => this.#batch(state));
  }

  /** Submits one request under `count` (2 to 8) consecutive seeds, as a batch. */
  async variations(request, count, options = {}) {
    if (count === 1) throw new TypeError('one clip is no batch; call submit(request)');
    const body = await encode({ ...request, variations: count });
    return submit(this.#http, '/tasks', body, options, (state) => this.#batch(state));
  }

  /** Submits and waits for all of them; see Batch.wait for what it gives. An aborted signal cancels the batch. */
  async generateBatch(requests, options = {}) {
    const batch = await this.submitBatch(requests, options);
    return cancelledBy(options.signal, batch, () => batch.wait(options));
  }

  /** A task or a batch that was submitted before, here or elsewhere. Asks the server nothing. */
  task(id) {
    return new Task(this.#http, id, { patienceMs: this.#patienceMs });
  }

  batch(id) {
    return new Batch(this.#http, id, { patienceMs: this.#patienceMs });
  }

  /** The latest tasks, the newest first: { tasks, total }, each with its state. */
  async recent({ limit = 20, offset = 0, q, favourite, signal } = {}) {
    const query = new URLSearchParams({ limit, offset, ...(q ? { q } : {}), ...(favourite ? { favourite } : {}) });
    const { tasks, total } = await this.#http.json('GET', `/tasks?${query}`, { signal });
    return { tasks: tasks.map((state) => this.#task(state)), total };
  }

  /** What there is to choose from: { models, default, aliases }, each model with what it can do. */
  async catalog({ signal } = {}) {
    return this.#http.json('GET', '/models', { signal });
  }

  /** Each model's name, size, quality, and whether a worker has it now. */
  async models({ signal } = {}) {
    return (await this.#http.json('GET', '/api/v1/models', { signal })).models;
  }

  async health({ signal } = {}) {
    return this.#http.json('GET', '/health', { signal });
  }

  /** The key's limits, and what is used of them. */
  async usage({ signal } = {}) {
    return this.#http.json('GET', '/usage', { signal });
  }

  #task(state) {
    return new Task(this.#http, state.task_id, { state, patienceMs: this.#patienceMs });
  }

  #batch(state) {
    return new Batch(this.#http, state.batch_id, { state, patienceMs: this.#patienceMs });
  }
}
