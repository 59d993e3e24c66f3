// Http: one call to the API and its answer. Owns the key, time limits, retries with backoff. Knows nothing of music.

import { ConnectionError, MusicGenError, errorOf } from './errors.js';

const BACKOFF_MS = 500;
const BACKOFF_AT_MOST_MS = 8000;
const JSON_TYPE = 'application/json';
const PROBE = '/models'; // what no page may read that the server does not name
const PROBE_MS = 5000;

/** Resolves after that time; rejects with the signal's reason as soon as it is aborted. */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const leave = () => (clearTimeout(timer), reject(signal.reason));
    const timer = setTimeout(() => (signal?.removeEventListener('abort', leave), resolve()), ms);
    signal?.addEventListener('abort', leave, { once: true });
  });
}

export class Http {
  constructor({ baseUrl, apiKey, headers, fetch, timeoutMs, maxRetries, maxRetryWaitMs, audioVia }) {
    this.baseUrl = baseUrl;
    this.maxRetryWaitMs = maxRetryWaitMs;
    this.headers = { ...headers, ...(apiKey ? { Authorization: `Bearer ${apiKey}` } : {}) };
    this.fetch = fetch ?? ((...call) => globalThis.fetch(...call)); // a browser's must not be called as a method
    this.timeoutMs = timeoutMs;
    this.maxRetries = maxRetries;
    this.audioVia = audioVia;
  }

  /** A path to audio with what is asked of it, and which way it is to come. */
  audioPath(path, asked = {}) {
    const query = new URLSearchParams({ ...asked, ...(this.audioVia ? { via: this.audioVia } : {}) });
    return `${path}?${query}`.replace(/\?$/, '');
  }

  /** A link as the API gives it, whole: below the path of a proxy too, of which the server need not know. */
  url(link) {
    const { pathname } = new URL(this.baseUrl);
    const below = pathname === '/' || !link.startsWith('/') || link.startsWith(`${pathname}/`);
    return new URL(below ? link : pathname + link, `${this.baseUrl}/`).href;
  }

  /** A whole address as the API gives it; one of this very server as this client reaches it. */
  reached(address) {
    const { host, pathname, search } = new URL(address);
    return host === new URL(this.baseUrl).host ? this.url(pathname + search) : address;
  }

  /** The JSON of the answer. */
  json(method, path, how = {}) {
    return this.call(method, path, how, readJson);
  }

  /** What `read` makes of the answer, tried again while that may help.
   *
   * `how.signal` ends all of it. `how.patience` is a signal that only ends the waiting for another try: a submission
   * that is under way is let through, since its answer alone tells which task there is to cancel.
   */
  async call(method, path, how, read) {
    for (let tries = 0; ; tries += 1) {
      try {
        return await this.attempt(method, path, how, read);
      } catch (error) {
        if (!error?.retryable || tries >= this.maxRetries) throw error;
        const wait = error.retryAfterMs ?? backoffMs(tries);
        if (wait > this.maxRetryWaitMs) throw error; // it tells the caller how long
        await pause(wait, how.patience ?? how.signal);
      }
    }
  }

  /** One try. `how.untimed`: the time limit is for the answer's beginning; its body may take longer. `how.serverWaitMs`:
   * the server may take so much longer to respond.
   */
  async attempt(method, path, { body, headers, signal, keepalive, untimed, serverWaitMs = 0 }, read) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), this.timeoutMs + serverWaitMs);
    try {
      const response = await this.fetch(this.baseUrl + path, {
        method,
        body,
        keepalive,
        headers: { ...this.headers, ...headers },
        signal: signal ? AbortSignal.any([signal, limit.signal]) : limit.signal,
      });
      if (!response.ok) throw await errorOf(response);
      if (untimed) clearTimeout(timer);
      return await read(response);
    } catch (error) {
      if (error instanceof MusicGenError) throw error;
      if (signal?.aborted) throw signal.reason;
      const late = limit.signal.aborted;
      if (!late && (await this.#isKeptFromThisPage(signal))) throw this.#refusedByCors(method, path, error);
      throw this.unreached(method, path, error, late);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Browsers hide why a request failed. The server keeps its answers from this page if it answers, but unreadably. */
  async #isKeptFromThisPage(signal) {
    const page = globalThis.location?.origin; // none in Node
    if (page === undefined || page === new URL(this.baseUrl).origin) return false;
    return (await this.#answers('no-cors', signal)) && !(await this.#answers('cors', signal));
  }

  async #answers(mode, signal) {
    const limit = AbortSignal.timeout(PROBE_MS);
    const either = signal ? AbortSignal.any([signal, limit]) : limit;
    try {
      await this.fetch(this.baseUrl + PROBE, { mode, credentials: 'omit', cache: 'no-store', signal: either });
      return true;
    } catch {
      if (signal?.aborted) throw signal.reason;
      return false;
    }
  }

  #refusedByCors(method, path, cause) {
    const page = globalThis.location.origin;
    const why = `the server answers, but not to this page: its origin, ${page}, is not in the server's CORS_ORIGINS`;
    const error = new ConnectionError(`${method} ${this.baseUrl}${path}: ${why}`, { code: 'CORS_REFUSED', cause });
    error.retryable = false; // it stays so until the operator names the page
    return error;
  }

  unreached(method, path, cause, late = false) {
    const why = late ? `no answer within ${this.timeoutMs} ms` : (cause?.cause?.message ?? cause?.message ?? cause);
    return new ConnectionError(`${method} ${this.baseUrl}${path}: ${why}`, {
      code: late ? 'TIMEOUT' : 'NO_CONNECTION',
      cause,
    });
  }
}

export async function readJson(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch (cause) {
    const error = new ConnectionError(`${response.url} answered no JSON; is baseUrl the address of the API?`, {
      code: 'NO_JSON',
      cause,
    });
    error.retryable = false;
    throw error;
  }
}

function backoffMs(tries) {
  return Math.min(BACKOFF_MS * 2 ** tries, BACKOFF_AT_MOST_MS) * (0.5 + Math.random() / 2);
}

export function jsonBody(value) {
  return { body: JSON.stringify(value), headers: { 'Content-Type': JSON_TYPE } };
}
