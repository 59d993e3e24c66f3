// MusicGenAdmin: what operators ask, under /admin/api. Owns no state; what comes back is the server's own JSON.

import { Http, jsonBody, readJson } from './http.js';
import { withDefaults } from './options.js';

export class MusicGenAdmin {
  #http;

  /** A server without keys serves whoever sits at its machine, and wants to know that no other page asks. */
  constructor(options = {}) {
    const all = withDefaults(options);
    const own = { Origin: new URL(all.baseUrl).origin, 'X-Ostinato-Admin': '1' }; // browsers set Origin themselves
    this.#http = new Http({ ...all, headers: { ...own, ...all.headers } });
  }

  /** The live workers. */
  async workers(options) {
    return (await this.#get('/workers', {}, options)).workers;
  }

  /** Lets a worker claim nothing more; what it runs it finishes. */
  drain(worker, options) {
    return this.#change('POST', `/workers/${encodeURIComponent(worker)}/drain`, options);
  }

  undrain(worker, options) {
    return this.#change('POST', `/workers/${encodeURIComponent(worker)}/undrain`, options);
  }

  /** What waits and runs, by model and priority, and by account. */
  queue(options) {
    return this.#get('/queue', {}, options);
  }

  /** The last hour minute by minute, the oldest first; with `model`, of that one alone. */
  async charts({ model, ...options } = {}) {
    return (await this.#get('/charts', { model }, options)).points;
  }

  /** A page of all accounts' tasks, newest first: by status, model, account, q, since; limit; before. */
  tasks({ signal, ...filter } = {}) {
    return this.#get('/tasks', filter, { signal });
  }

  /** All that happened to a task, in the order of time. */
  story(taskId, options) {
    return this.#get(`/tasks/${encodeURIComponent(taskId)}`, {}, options);
  }

  cancel(taskId, options) {
    return this.#change('DELETE', `/tasks/${encodeURIComponent(taskId)}`, options);
  }

  /** Runs a copy of a failed task under the same seed; its id. */
  async retry(taskId, options) {
    return (await this.#once('POST', `/tasks/${encodeURIComponent(taskId)}/retry`, options)).retried_as;
  }

  /** The tasks that used up their attempts because their workers died. */
  async deadLetters(options) {
    return (await this.#get('/dead-letters', {}, options)).dead_letters;
  }

  /** Runs a copy of a dead letter under the same seed; its id. */
  async requeue(taskId, options) {
    return (await this.#once('POST', `/dead-letters/${encodeURIComponent(taskId)}/requeue`, options)).requeued_as;
  }

  /** Forgets a dead letter. */
  async drop(taskId, options) {
    await this.#once('DELETE', `/dead-letters/${encodeURIComponent(taskId)}`, options);
  }

  /** A page of the API keys, newest first, with limits and use. */
  keys({ signal, ...page } = {}) {
    return this.#get('/keys', page, { signal });
  }

  /** Makes a key, which is in this answer and never again. Not tried again: two keys might be made. */
  createKey(request, options) {
    return this.#once('POST', '/keys', options, jsonBody(request));
  }

  /** Ends a key; with `cancelJobs` also its tasks that have not begun. */
  disableKey(id, { cancelJobs = false, ...options } = {}) {
    return this.#change('POST', `/keys/${encodeURIComponent(id)}/disable?cancel_jobs=${Number(cancelJobs)}`, options);
  }

  /** A page of what operators did, newest first. */
  audit({ signal, ...page } = {}) {
    return this.#get('/audit', page, { signal });
  }

  #get(path, query, { signal } = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
    const asked = new URLSearchParams(given);
    return this.#http.json('GET', `/admin/api${path}${given.length ? `?${asked}` : ''}`, { signal });
  }

  #change(method, path, { signal } = {}) {
    return this.#http.json(method, `/admin/api${path}`, { signal });
  }

  #once(method, path, { signal } = {}, body = {}) {
    return this.#http.attempt(method, `/admin/api${path}`, { signal, ...body }, readJson);
  }
}
