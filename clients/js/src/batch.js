// Batch: many tasks under one id. It has no events; its state is asked for until all have ended.

import { pause } from './http.js';
import { clipOf } from './clip.js';
import { Task } from './task.js';

const POLL_EVERY_MS = 1000;

export class Batch {
  #http;

  constructor(http, id, { state = null, patienceMs }) {
    this.#http = http;
    this.id = id;
    /** As GET /tasks/batch/<id> gave it last; null before. */
    this.state = state;
    /** A Task for each request, in their order; none before the state is known. */
    this.tasks = (state?.tasks ?? []).map((one) => new Task(http, one.task_id, { state: one, patienceMs }));
  }

  async poll({ signal } = {}) {
    this.state = await this.#http.json('GET', this.#path(), { signal });
    return this.state;
  }

  /** Once all have ended: for each request, in their order, what Promise.allSettled would give of its clip.
   *
   * `onProgress` gets the batch's state at each poll. An aborted signal ends the waiting, not the tasks.
   */
  async wait({ signal, onProgress, pollEveryMs = POLL_EVERY_MS } = {}) {
    for (;;) {
      const state = await this.poll({ signal });
      onProgress?.(state);
      if (state.status !== 'processing') return state.tasks.map((one) => this.#settled(one));
      await pause(pollEveryMs, signal);
    }
  }

  /** Cancels all that has not ended; its state then. */
  async cancel({ signal } = {}) {
    this.state = await this.#http.json('DELETE', this.#path(), { signal, keepalive: true });
    return this.state;
  }

  #settled(state) {
    try {
      return { status: 'fulfilled', value: clipOf(this.#http, state) };
    } catch (reason) {
      return { status: 'rejected', reason };
    }
  }

  #path() {
    return `/tasks/batch/${encodeURIComponent(this.id)}`;
  }
}
