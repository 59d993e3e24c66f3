// Submitting: one POST under an idempotency key, which an aborted signal takes back.

import { newKey } from './body.js';

/** What `made` makes of the response. Rejects at the abort; what is accepted all the same is cancelled. */
export async function submit(http, path, { body, headers }, { signal, idempotencyKey = newKey() }, made) {
  signal?.throwIfAborted();
  const how = { body, headers: { ...headers, 'Idempotency-Key': idempotencyKey }, patience: signal };
  const making = http.json('POST', path, how).then(made);
  return signal ? unlessAborted(making, signal) : making;
}

/** What `wait` gives; when the signal ends the waiting, what was made is cancelled. */
export async function cancelledBy(signal, made, wait) {
  try {
    return await wait();
  } catch (error) {
    if (signal?.aborted) cancel(made);
    throw error;
  }
}

/** Rejects at the abort; what is made all the same is cancelled as soon as its id is known. */
function unlessAborted(making, signal) {
  return new Promise((resolve, reject) => {
    const leave = () => {
      reject(signal.reason);
      making.then(cancel, () => {});
    };
    signal.addEventListener('abort', leave, { once: true });
    making.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave));
  });
}

/** Nobody waits for it: who aborts is answered at once. */
function cancel(made) {
  made.cancel().catch(() => {});
}
