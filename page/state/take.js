// Take: one piece from its submission to its end, as the server tells it, with its sound as it is made.

import { signal } from '@preact/signals';

import { LiveSound } from '../lib/live_sound.js';
import { untilOnline } from '../lib/retrying.js';
import { letGo } from '../lib/speakers.js';
import { ask, client, note } from './session.js';

/** @typedef {import('musicgen-api').Task} Task */
/** @typedef {import('musicgen-api').TaskState} TaskState */
/** @typedef {import('musicgen-api').TaskEvent} TaskEvent */
/** How its news comes: by events and sound, by polls now and then, or not at all. */
/** @typedef {'events' | 'polls' | 'none'} Mode */

const POLL_MS = 2000;
const AGAIN_MS = 3000;
const SLACK_MS = 2000; // by so much, or such a share, an estimate may grow unsaid
const SLACK = 0.3;

export class Take {
  /** @type {Mode} */
  #mode = 'none';
  #stop = new AbortController();
  /** @type {string | null} */
  #lastEventId = null;

  /** @param {Task} task @param {TaskState} state */
  constructor(task, state) {
    this.task = task;
    this.id = task.id;
    this.state = signal(state);
    /** When it will be there, as far as is known, in ms; `later`: that was said to be sooner before. */
    this.due = signal(/** @type {{ at: number, later: boolean } | null} */ (null));
    /** Why it was begun again: lost, failed or left; '' otherwise. */
    this.again = signal('');
    /** Its news does not come through; it is asked for again. */
    this.cutOff = signal(false);
    /** Why it cannot be heard; '' while it can. */
    this.fault = signal('');
    /** Its record was removed. */
    this.gone = signal(false);
    this.sound = new LiveSound();
    /** Its sound comes as it is made. */
    this.heard = signal(false);
    this.#expect(state.eta_s);
  }

  get ended() {
    return this.gone.value || this.state.value.status !== 'processing';
  }

  /** @param {Mode} mode */
  follow(mode) {
    if (mode === this.#mode) return;
    this.#mode = mode;
    this.#stop.abort();
    this.heard.value = false;
    if (mode === 'none' || this.ended) return;
    this.#stop = new AbortController();
    const { signal: stop } = this.#stop;
    this.#keepOn(stop, () => (mode === 'events' ? this.#byEvents(stop) : this.#byPolls(stop)));
    if (mode === 'events' && this.state.peek().stream_url) this.#hear(stop);
  }

  /** By other connections: those that there are may be dead. */
  followAnew() {
    const mode = this.#mode;
    this.follow('none');
    this.follow(mode);
  }

  /** @param {AbortSignal} stop */
  async #hear(stop) {
    this.heard.value = true;
    await this.#keepOn(stop, () => this.#listen(stop));
    if (stop === this.#stop.signal) this.heard.value = false;
  }

  /** Nobody wants to know of it any more. */
  leave() {
    this.follow('none');
    letGo(this.sound);
  }

  /** Stops hearing of it first: what is cancelled is broken off. */
  async cancel() {
    const mode = this.#mode;
    this.follow('none');
    try {
      this.state.value = await ask((by) => by.task(this.id).cancel());
    } finally {
      if (!this.ended) this.follow(mode);
    }
  }

  /** Does it again after each break of the network, until it has come to its end or is stopped.
   *
   * @param {AbortSignal} stop
   * @param {() => Promise<void>} run
   */
  async #keepOn(stop, run) {
    while (!stop.aborted) {
      const by = client.peek();
      try {
        await run();
        return;
      } catch (error) {
        if (stop.aborted) return;
        note(error, by);
        const { retryable } = /** @type {{ retryable?: boolean }} */ (error);
        if (!retryable) return;
        this.cutOff.value = true;
        await untilOnline(AGAIN_MS, stop).catch(() => {});
      }
    }
  }

  /** @param {AbortSignal} stop */
  async #byEvents(stop) {
    for await (const event of this.#task().events({ signal: stop, lastEventId: this.#lastEventId ?? undefined })) {
      this.#lastEventId = event.id ?? this.#lastEventId;
      this.cutOff.value = false;
      this.#apply(event);
    }
    if (!this.ended) this.#update(await this.#task().poll({ signal: stop }));
  }

  /** @param {AbortSignal} stop */
  async #byPolls(stop) {
    while (!this.ended) {
      this.#update(await this.#task().poll({ signal: stop }));
      this.cutOff.value = false;
      if (!this.ended) await untilOnline(POLL_MS, stop);
    }
  }

  /** @param {AbortSignal} stop */
  async #listen(stop) {
    for await (const chunk of this.#task().listen({ signal: stop })) this.sound.add(chunk);
    this.sound.finish();
  }

  /** With the key of now. */
  #task() {
    return client.value.task(this.id);
  }

  /** @param {TaskEvent} event */
  #apply(event) {
    const state = this.state.peek();
    if (event.type === 'queued') this.#update({ ...state, ...event.data, stage: 'queued' });
    else if (event.type === 'started') {
      this.due.value = null; // what was said of the waiting is over
      this.#update({ ...state, stage: 'running', attempts: event.data.attempt, eta_s: null });
    } else if (event.type === 'progress') {
      const { percent, stage, eta_s } = event.data;
      this.#update({ ...state, progress: percent, stage, eta_s });
    } else if (event.type === 'requeued') {
      this.again.value = event.data.reason;
      this.#update({ ...state, stage: 'queued', progress: 0, position: null, eta_s: null });
    } else if (event.type === 'gone') this.gone.value = true;
    else this.#update(event.data);
  }

  /** @param {TaskState} state */
  #update(state) {
    this.state.value = state;
    this.#expect(state.eta_s);
  }

  /** Counts down, and jumps up only with a word. @param {number | null} etaS */
  #expect(etaS) {
    const before = this.due.peek();
    if (etaS === null) return;
    const at = Date.now() + 1000 * etaS;
    if (!before) this.due.value = { at, later: false };
    else if (at < before.at) this.due.value = { at, later: before.later };
    else if (at > before.at + Math.max(SLACK_MS, SLACK * (before.at - Date.now()))) this.due.value = { at, later: true };
  }
}
