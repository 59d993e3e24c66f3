// What the server has to offer: its models, and how busy it is.

import { signal } from '@preact/signals';

import { ask, poller } from './session.js';
import { whileVisible } from './visible.js';

/** @typedef {import('musicgen-api').Catalog} Catalog */

const EVERY_MS = 5000;

/** @type {import('@preact/signals').Signal<Catalog | null>} */
export const catalog = signal(null);
/** @type {import('@preact/signals').Signal<{ workers: number, queued: number } | null>} */
export const load = signal(null);

async function look() {
  try {
    const health = await ask((client) => client.health(), poller.value);
    const queued = Object.values(health.queues ?? {}).reduce((sum, one) => sum + one, 0);
    load.value = { workers: health.workers?.length ?? 0, queued };
    catalog.value = await ask((client) => client.catalog(), poller.value);
    return true;
  } catch {
    return false; // told by the session's signals
  }
}

export function watchService() {
  return whileVisible(look, EVERY_MS);
}

/** @param {string} name */
export function modelNamed(name) {
  const all = catalog.value;
  if (!all) return null;
  const wanted = name || all.default;
  const found = all.aliases[wanted] ?? wanted;
  return all.models.find((model) => model.name === found) ?? null;
}
