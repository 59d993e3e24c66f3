// Who speaks to which server: the key of this browser, the client, and whether the server takes them.

import MusicGenAPI, { AuthenticationError, ConnectionError, RateLimitError, UnavailableError } from 'musicgen-api';
import { computed, signal } from '@preact/signals';

import { keptForAllTabs, onChangeOf } from '../lib/kept.js';
import { words } from '../words.js';

/** @typedef {import('musicgen-api').MusicGenAPI} Client */

export const SERVER = new URL('.', document.baseURI).href;
export const apiKey = keptForAllTabs('key', '');

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
  return new MusicGenAPI({ baseUrl: SERVER, audioVia: 'server', maxRetries, ...(key ? { apiKey: key } : {}) });
}

/** For what somebody has asked for: it tries again for a while. */
export const client = computed(() => makeClient(2));
/** For what is asked again soon anyway. */
export const poller = computed(() => makeClient(0));

/** @param {string} key */
export function useKey(key) {
  apiKey.value = key.trim();
  forgetFaults(); // also of the same key
}

function forgetFaults() {
  keyFault.value = '';
  usedUp.value = '';
}

/** Runs at each change of the key, here or in another tab: what was another account's is forgotten.
 *
 * @param {() => void} forget
 */
export function onOtherKey(forget) {
  onChangeOf(apiKey, forget);
}

onOtherKey(forgetFaults);

/** Whether that client has the key of now. @param {Client} by */
const isCurrent = (by) => by === client.peek() || by === poller.peek();

/** Calls the server, and notes what that says of the key and the network. Raises what the call raises, and an error when
 * the key has changed meanwhile: the answer was another account's.
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
    if (!isCurrent(by)) throw new Error(words.key.changed);
    return answer;
  } catch (error) {
    note(error, by);
    throw error;
  }
}

/** @param {unknown} error @param {Client} by who was told it; what is said of the key before is over */
export function note(error, by) {
  if (error instanceof ConnectionError) offline.value = true;
  if (error instanceof UnavailableError) away.value = error.message;
  if (!isCurrent(by)) return;
  if (error instanceof AuthenticationError) keyFault.value = apiKey.value ? 'refused' : 'missing';
  if (error instanceof RateLimitError && error.code !== 'QUEUE_FULL') usedUp.value = error.message;
}
