// Who speaks to which server: the key of this browser, the client, and whether the server takes them.

import MusicGenAPI, { AuthenticationError, ConnectionError, RateLimitError, UnavailableError } from 'musicgen-api';
import { computed, signal } from '@preact/signals';

import { kept } from '../lib/kept.js';

/** @typedef {import('musicgen-api').MusicGenAPI} Client */

export const SERVER = new URL('.', document.baseURI).href;
export const apiKey = kept('key', '');

/** Why a key is asked for: '' while none is, 'missing', or 'refused' for one that is unknown or disabled. */
export const keyFault = signal('');
/** What the account has used up, in the server's words; '' while nothing is. */
export const usedUp = signal('');
export const offline = signal(false);
addEventListener('offline', () => {
  offline.value = true;
});
/** What is away behind the server, in its words; '' while nothing is. */
export const away = signal('');

/** @param {number} maxRetries */
function makeClient(maxRetries) {
  const key = apiKey.value;
  return new MusicGenAPI({ baseUrl: SERVER, maxRetries, ...(key ? { apiKey: key } : {}) });
}

/** For what somebody has asked for: it tries again for a while. */
export const client = computed(() => makeClient(2));
/** For what is asked again soon anyway. */
export const poller = computed(() => makeClient(0));

/** @param {string} key */
export function useKey(key) {
  apiKey.value = key.trim();
  keyFault.value = '';
  usedUp.value = '';
}

/** Calls the server, and notes what that says of the key and the network. Raises what the call raises.
 *
 * @template T
 * @param {(client: Client) => Promise<T>} call
 * @param {Client} [by]
 */
export async function ask(call, by = client.value) {
  try {
    const answer = await call(by);
    offline.value = false;
    away.value = '';
    return answer;
  } catch (error) {
    note(error);
    throw error;
  }
}

/** @param {unknown} error */
export function note(error) {
  if (error instanceof AuthenticationError) keyFault.value = apiKey.value ? 'refused' : 'missing';
  if (error instanceof ConnectionError) offline.value = true;
  if (error instanceof UnavailableError) away.value = error.message;
  if (error instanceof RateLimitError && error.code !== 'QUEUE_FULL') usedUp.value = error.message;
}
