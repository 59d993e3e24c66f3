// Task: one job on the server, to poll, iterate, listen to, wait for, keep, share or cancel.

import { receiveChunks } from './audio_stream.js';
import { clipOf, endOf, gone, pathOf } from './clip.js';
import { ConflictError } from './errors.js';
import { readEvents } from './events.js';
import { jsonBody, readJson } from './http.js';
import { submit } from './submission.js';

const WEEK_S = 7 * 24 * 3600;
const LONG_POLL_S = 25; // most proxies let a request wait for 30 s

export class Task {
  #http;
  #patienceMs;

  constructor(http, id, { state = null, patienceMs }) {
    this.#http = http;
    this.#patienceMs = patienceMs;
    this.id = id;
    /** As GET /tasks/<id> gave it last; null before. */
    this.state = state;
  }

  /** How it stands now; with `wait`, when its `stage` changes from `since`, or after so many seconds (at most 30).
   *
   * A server that cannot wait answers at once.
   */
  async poll({ signal, wait, since } = {}) {
    await this.#ask({ signal, wait, since });
    return this.state;
  }

  /** { type, id, data } of each event, until the task has ended; a stream that breaks goes on where it was. */
  async *events({ signal, lastEventId } = {}) {
    const how = { signal, lastEventId, patienceMs: this.#patienceMs };
    for await (const event of readEvents(this.#http, `${this.#path()}/events`, how)) {
      if (event.data.status) this.state = event.data; // the last one is the task
      yield event;
    }
  }

  [Symbol.asyncIterator]() {
    return this.events();
  }

  /** AudioChunk after AudioChunk from the clip's beginning, while it is made; of a task submitted with `stream: true`.
   *
   * Leaving the loop leaves the task alone. A task that does not complete raises how it ended.
   */
  async *listen({ signal } = {}) {
    try {
      yield* receiveChunks(this.#http, this.#path(), { signal, patienceMs: this.#patienceMs });
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      const { status } = await this.poll({ signal });
      throw status === 'failed' || status === 'cancelled' ? endOf(this.state) : error;
    }
  }

  /** The address of the sound while it is made, for an audio element: null of a task that was not submitted with
   * `stream: true`, or had ended when it was asked last. `format` is wav, mp3 or ogg; the task's own when left out.
   */
  streamUrl(format) {
    if (!this.state?.stream_url) return null;
    const url = new URL(this.#http.url(this.state.stream_url));
    if (format) url.searchParams.set('format', format);
    return url.href;
  }

  /** The clip, once there is one. An aborted signal ends the waiting, not the task. */
  async wait({ signal, onProgress } = {}) {
    if (!onProgress && (await this.#waitByLongPolls(signal))) return clipOf(this.#http, this.state);
    for await (const event of this.events({ signal })) {
      onProgress?.(event);
      if (event.type === 'gone') throw gone(this.id, event.data.message);
    }
    return clipOf(this.#http, this.state?.status !== 'processing' ? this.state : await this.poll({ signal }));
  }

  /** Its state then. Raises ConflictError when it had completed or failed before. */
  async cancel({ signal } = {}) {
    this.state = await this.#http.json('DELETE', this.#path(), { signal, keepalive: true });
    return this.state;
  }

  /** Mixes a piece again from its kept stems; the new mix's Task. Left out is as the piece has it, null the default. */
  async remix(changes = {}, options = {}) {
    return submit(this.#http, `${this.#path()}/mix`, jsonBody(changes), options, (state) => {
      return new Task(this.#http, state.task_id, { state, patienceMs: this.#patienceMs });
    });
  }

  /** How a piece is mixed; with `preset` (null: none), how it would be by that alone. */
  async mix({ preset, signal } = {}) {
    const query = preset === undefined ? '' : `?${new URLSearchParams({ mix_preset: preset ?? 'none' })}`;
    return this.#http.json('GET', `${this.#path()}/mix${query}`, { signal });
  }

  /** Removes all that the server keeps of it, the audio too. */
  async purge({ signal } = {}) {
    await this.#http.json('DELETE', `${this.#path()}?purge=1`, { signal });
  }

  /** Gives it another title (null: none), or makes it a favourite, which is kept until it is none. Its state then. */
  async edit({ title, favourite }, { signal } = {}) {
    const changes = jsonBody({ title, favourite });
    this.state = await this.#http.json('PATCH', this.#path(), { ...changes, signal });
    return this.state;
  }

  /** A link by which anybody can hear it without a key, for an hour up to 30 days: `url` is a page with a player. */
  async share({ expiresInS = WEEK_S, signal } = {}) {
    const asked = jsonBody({ expires_in_s: expiresInS });
    return this.#reached(await this.#http.json('POST', `${this.#path()}/share`, { ...asked, signal }));
  }

  /** The links that share it now, the one that ends last first. */
  async shares({ signal } = {}) {
    const { shares } = await this.#http.json('GET', `${this.#path()}/share`, { signal });
    return shares.map((share) => this.#reached(share));
  }

  /** Takes a link back; the link, or its share_id. */
  async withdraw(share, { signal } = {}) {
    const id = encodeURIComponent(share.share_id ?? share);
    await this.#http.json('DELETE', `${this.#path()}/share/${id}`, { signal });
  }

  /** Waits by long polls. False where the server cannot wait, or is away: its events tell the rest. */
  async #waitByLongPolls(signal) {
    for (;;) {
      const since = this.state?.stage;
      const askedAt = Date.now();
      let waited;
      try {
        waited = await this.#ask({ signal, wait: LONG_POLL_S, since });
      } catch (error) {
        if (!error?.retryable) throw error;
        return false;
      }
      if (this.state.status !== 'processing') return true;
      const inTime = Date.now() - askedAt >= 900 * LONG_POLL_S;
      if (!waited || (this.state.stage === since && !inTime)) return false;
    }
  }

  /** Whether the server waited for a change, as it was asked to. */
  async #ask({ signal, wait, since }) {
    const query = wait ? `?${new URLSearchParams({ wait, ...(since ? { since } : {}) })}` : '';
    return this.#http.call('GET', this.#path() + query, { signal, serverWaitMs: 1000 * (wait ?? 0) }, async (response) => {
      this.state = await readJson(response);
      return response.headers.has('Preference-Applied');
    });
  }

  #reached(share) {
    return { ...share, url: this.#http.reached(share.url) };
  }

  #path() {
    return pathOf(this.id);
  }
}
