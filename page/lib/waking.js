// Waking: a page that slept, with its machine or by itself, missed what came, and its connections may be dead unnoticed.

import { signal } from '@preact/signals';

const TICK_MS = 1000;
const SLEPT_MS = 5000; // by so much the clock went on between two ticks

/** How often it has come back. */
export const wakes = signal(0);
let lastTick = Date.now();

function wake() {
  lastTick = Date.now();
  wakes.value += 1;
}

setInterval(() => {
  if (Date.now() - lastTick > SLEPT_MS) wake();
  else lastTick = Date.now();
}, TICK_MS);
document.addEventListener('resume', wake); // it was frozen
addEventListener('pageshow', ({ persisted }) => persisted && wake()); // it was put aside
