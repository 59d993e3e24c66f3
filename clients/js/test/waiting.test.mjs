import assert from 'node:assert/strict';
import { test } from 'node:test';

import MusicGenAPI, { ConnectionError } from 'musicgen-api';

import { frontOf } from './front.mjs';

const before = (front, options) => new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: front.url, ...options });
const asked = (front) => front.seen.filter((call) => call.method === 'GET').map((call) => call.url.replace(/^\/tasks\/[^/?]+/, ''));

test('waiting is left to the server, which is asked again only when there is news', async (t) => {
  const front = await frontOf(t, () => undefined);
  const task = await before(front).submit({ prompt: 'slowly', duration: 1, cache: false });
  assert.equal((await task.wait()).status, 'completed');
  assert.match(asked(front)[0], /^\?wait=25&since=(queued|running)$/);
  assert.ok(asked(front).length <= 4, asked(front).join()); // queued, running, uploading, completed
});

test('a server that knows no waiting is followed by its events', async (t) => {
  const front = await frontOf(t, () => 'know no wait');
  const task = await before(front).submit({ prompt: 'slowly', duration: 1, cache: false });
  assert.equal((await task.wait()).status, 'completed');
  assert.ok(asked(front).includes('/events'), asked(front).join());
  assert.ok(asked(front).filter((query) => query.startsWith('?wait')).length <= 1);
});

test('whoever wants to see the progress gets events', async (t) => {
  const front = await frontOf(t, () => undefined);
  const seen = [];
  await before(front).generate({ prompt: 'slowly', duration: 1, cache: false }, { onProgress: (event) => seen.push(event.type) });
  assert.equal(seen.at(-1), 'completed');
  assert.deepEqual(asked(front).slice(0, 1), ['/events']);
});

test('a poll may wait too, for no longer than it says', async (t) => {
  const front = await frontOf(t, () => undefined);
  const task = await before(front, { timeoutMs: 900 }).submit({ prompt: 'without end', cache: false });
  const { stage } = await task.poll({ wait: 20, since: 'queued' });
  const begunAt = performance.now();
  const later = await task.poll({ wait: 1, since: stage });
  assert.ok(performance.now() - begunAt > 990, 'there is no news for as long as it waits');
  assert.equal(later.status, 'processing');
  await task.cancel();
  assert.deepEqual([stage, asked(front)], ['running', ['?wait=20&since=queued', '?wait=1&since=running']]);
});

test('an aborted wait ends at once, and a wait that breaks off goes on', async (t) => {
  const front = await frontOf(t, (request, number) => (number === 2 ? 'lose the answer' : undefined));
  const task = await before(front).submit({ prompt: 'slowly', duration: 1, cache: false });
  assert.equal((await task.wait()).status, 'completed');
  const endless = await before(front).submit({ prompt: 'without end', cache: false });
  await assert.rejects(endless.wait({ signal: AbortSignal.timeout(100) }), { name: 'TimeoutError' });
  await endless.cancel();
});

test('a server that stays away is given up as its events are', async (t) => {
  const front = await frontOf(t, (request) => (request.method === 'GET' ? 'refuse' : undefined));
  const task = await before(front, { maxRetries: 0, streamPatienceMs: 30 }).submit({ prompt: 'without end', cache: false });
  await assert.rejects(task.wait(), (error) => error.retryable && !(error instanceof ConnectionError));
});
