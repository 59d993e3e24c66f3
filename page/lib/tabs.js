// What one tab tells the others of this browser: that there is news at the server.

const channel = new BroadcastChannel('ostinato');

export function announceNews() {
  channel.postMessage('news');
}

/** @param {() => void} run @returns {() => void} what ends it */
export function onNews(run) {
  channel.addEventListener('message', run);
  return () => channel.removeEventListener('message', run);
}
