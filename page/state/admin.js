// What the operator's page knows of the server: asked for again and again while somebody sees it.

import { AuthenticationError, MusicGenAdmin, PermissionDeniedError } from 'musicgen-api';
import { computed, signal } from '@preact/signals';

import { keptForAllTabs, onChangeOf } from '../lib/kept.js';
import { SERVER } from './session.js';

/** @typedef {import('musicgen-api').MusicGenAdmin} Admin */

/** @template T @param {T} initial @returns {import('@preact/signals').Signal<T>} */
const typed = (initial) => signal(initial);

export const adminKey = keptForAllTabs('admin-key', '');
export const admin = computed(
  () => new MusicGenAdmin({ baseUrl: SERVER, maxRetries: 0, ...(adminKey.value ? { apiKey: adminKey.value } : {}) }),
);

/** Why the server lets nobody in, in its words; '' while it does. */
export const refusal = signal('');
export const offline = signal(false);
/** What an action came to: its words, and whether it went wrong. */
export const outcome = typed(/** @type {{ text: string, bad: boolean } | null} */ (null));

export const workers = typed(/** @type {import('musicgen-api').AdminWorker[] | null} */ (null));
export const queue = typed(/** @type {import('musicgen-api').AdminQueue | null} */ (null));
export const points = typed(/** @type {import('musicgen-api').MinutePoint[]} */ ([]));
export const deadLetters = typed(/** @type {import('musicgen-api').DeadLetter[] | null} */ (null));
export const keyPage = typed(/** @type {import('musicgen-api').AdminKeyPage | null} */ (null));
/** A key that was just made: shown until it is kept, also when the server asks for it from then on. */
export const newKey = typed(/** @type {import('musicgen-api').CreatedKey | null} */ (null));
export const audit = typed(/** @type {import('musicgen-api').AuditEntry[] | null} */ (null));
export const auditNext = typed(/** @type {string | null} */ (null));

export const filter = typed(/** @type {import('musicgen-api').TaskFilter} */ ({}));
/** Submitted at most so many seconds ago; 0 is ever. */
export const span = signal(0);
export const taskPage = typed(/** @type {import('musicgen-api').AdminTaskPage | null} */ (null));
/** Pages that were asked for behind the first one, which alone is asked for again. */
export const olderTasks = typed(/** @type {import('musicgen-api').AdminTask[]} */ ([]));
export const olderNext = typed(/** @type {number | null} */ (null));
export const openTask = signal('');
export const story = typed(/** @type {import('musicgen-api').AdminTaskStory | null} */ (null));

const TASKS_AT_ONCE = 25;

/** Asks, and notes what that says of the key and the network; undefined where it went wrong, or the key has changed.
 *
 * @template T @param {() => Promise<T>} call @returns {Promise<T | undefined>}
 */
async function asked(call) {
  const by = admin.peek();
  try {
    const found = await call();
    if (by !== admin.peek()) return undefined;
    [refusal.value, offline.value] = ['', false];
    return found;
  } catch (error) {
    if (by !== admin.peek()) return undefined;
    const refused = error instanceof AuthenticationError || error instanceof PermissionDeniedError;
    const status = /** @type {{ status?: number }} */ (error).status;
    if (refused) refusal.value = error.message;
    else offline.value = status === undefined || status >= 500;
    return undefined;
  }
}

/** What changes by itself. */
export async function look() {
  const by = admin.value;
  const seen = await asked(() => Promise.all([by.workers(), by.queue(), by.charts(), by.deadLetters()]));
  if (!seen) return;
  [workers.value, queue.value, points.value, deadLetters.value] = seen;
  await Promise.all([lookAtTasks(), openTask.value ? lookAtStory() : undefined]);
}

/** What operators change. */
export async function lookAtRights() {
  const by = admin.value;
  const seen = await asked(() => Promise.all([by.keys(), by.audit({ limit: 20 })]));
  if (!seen) return;
  keyPage.value = seen[0];
  const known = new Set(seen[1].entries.map(({ id }) => id));
  const older = (audit.value ?? []).slice(20).filter(({ id }) => !known.has(id));
  audit.value = [...seen[1].entries, ...older];
  if (!older.length) auditNext.value = seen[1].next_before;
}

export async function olderAudit() {
  const page = await asked(() => admin.value.audit({ limit: 50, before: auditNext.value ?? undefined }));
  if (!page) return;
  audit.value = [...(audit.value ?? []), ...page.entries];
  auditNext.value = page.next_before;
}

function wanted() {
  const since = span.value ? Math.floor(Date.now() / 1000) - span.value : undefined;
  return { ...filter.value, since, limit: TASKS_AT_ONCE };
}

export async function lookAtTasks() {
  const by = filter.value;
  const page = await asked(() => admin.value.tasks(wanted()));
  if (page && by === filter.value) taskPage.value = page;
}

/** @param {Partial<import('musicgen-api').TaskFilter>} change @param {number} [within] */
export function filterTasks(change, within = span.value) {
  filter.value = { ...filter.value, ...change };
  span.value = within;
  [olderTasks.value, olderNext.value, taskPage.value] = [[], null, null];
  return lookAtTasks();
}

export async function moreTasks() {
  const before = olderNext.value ?? taskPage.value?.next_before ?? undefined;
  const by = filter.value;
  const page = await asked(() => admin.value.tasks({ ...wanted(), before }));
  if (!page || by !== filter.value) return;
  olderTasks.value = [...olderTasks.value, ...page.tasks];
  olderNext.value = page.next_before;
}

async function lookAtStory() {
  const id = openTask.value;
  const found = await asked(() => admin.value.story(id));
  if (id === openTask.value) story.value = found ?? null;
}

/** @param {string} id '' closes the story that is open */
export function openStory(id) {
  [openTask.value, story.value] = [id, null];
  return id ? lookAtStory() : undefined;
}

/** Does what an operator asks, and looks again; what it came to stands in `outcome`.
 *
 * @template T @param {string} what @param {(by: Admin) => Promise<T>} run @returns {Promise<T | undefined>}
 */
export async function act(what, run) {
  try {
    const found = await run(admin.value);
    outcome.value = { text: what, bad: false };
    return found;
  } catch (error) {
    outcome.value = { text: `${what}: ${/** @type {Error} */ (error).message}`, bad: true };
    return undefined;
  } finally {
    await Promise.all([look(), lookAtRights()]);
  }
}

/** Another key is noticed by who looks by it. @param {string} key */
export function useAdminKey(key) {
  if (key.trim() !== adminKey.peek()) adminKey.value = key.trim();
  else refusal.value = '';
}

onChangeOf(adminKey, () => {
  for (const seen of [workers, queue, deadLetters, keyPage, audit, auditNext, taskPage, olderNext, story, outcome]) seen.value = null;
  [points.value, olderTasks.value, openTask.value, refusal.value] = [[], [], '', ''];
});
