// Waiting for a network that comes back.

/** Resolves after that time, as soon as the browser is online again, or rejects with the signal's reason.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 */
export function untilOnline(ms, signal) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      signal.removeEventListener('abort', leave);
    };
    const done = () => {
      end();
      resolve(undefined);
    };
    const leave = () => {
      end();
      reject(signal.reason);
    };
    const timer = setTimeout(done, ms);
    addEventListener('online', done, { once: true });
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
  });
}
