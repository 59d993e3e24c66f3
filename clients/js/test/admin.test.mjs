// What operators ask, with a key of the scope admin; and what is sent to a server without keys.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { InvalidRequestError, MusicGenAPI, MusicGenAdmin, NotFoundError, PermissionDeniedError } from 'musicgen-api';
import { api } from './front.mjs';

const admin = new MusicGenAdmin({ apiKey: process.env.MUSICGEN_ADMIN_KEY, baseUrl: `${api}/api/v1`, maxRetries: 0 });

test('a server without keys is told that no other page asks', async (t) => {
  const seen = [];
  const server = createServer(({ headers, url }, response) => (seen.push({ headers, url }), response.end('{}')));
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  t.after(() => (server.closeAllConnections(), server.close()));
  const own = `http://127.0.0.1:${server.address().port}`;
  await new MusicGenAdmin({ baseUrl: `${own}/below/api/v1` }).drain('a/b');
  assert.deepEqual(seen.map(({ headers, url }) => [url, headers.origin, headers['x-ostinato-admin']]), [
    ['/below/admin/api/workers/a%2Fb/drain', own, '1'],
  ]);
});

test('what an operator asks of a worker is in the audit log', async () => {
  const [{ worker }] = await admin.workers();
  assert.deepEqual(await admin.undrain(worker), { worker, drained: false });
  await assert.rejects(admin.drain('no such/worker'), NotFoundError);
  const { entries } = await admin.audit({ limit: 2 });
  assert.deepEqual(entries.map(({ action, target, outcome }) => [action, target, outcome]), [
    ['drain', 'no such/worker', 'refused'], ['undrain', worker, 'done'],
  ]);
});

test('a key that may not do something is told apart from a wrong one and from a bad request', async () => {
  const musician = new MusicGenAdmin({ apiKey: 'YOUR_KEY', baseUrl: api });
  await assert.rejects(musician.workers(), (error) => {
    assert.ok(error instanceof PermissionDeniedError && !(error instanceof InvalidRequestError));
    assert.deepEqual([error.name, error.status, error.code, error.retryable], ['PermissionDeniedError', 403, 'FORBIDDEN', false]);
    return true;
  });
});

test('an operator finds a task by filters and reads its story', async () => {
  const task = await new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: api }).submit({ prompt: 'Étude for an operator', duration: 1 });
  await task.wait();
  const { tasks } = await admin.tasks({ q: 'etude FOR', status: 'completed', account: '', limit: 1 });
  assert.equal(tasks[0].task_id, task.id);
  const { story, attempts } = await admin.story(task.id);
  assert.ok(story.some(({ what }) => what === 'completed'));
  assert.equal(attempts.at(-1).outcome, 'completed');
  assert.equal((await admin.charts()).length, 60);
  assert.ok((await admin.queue()).models.length > 0);
  assert.ok(Array.isArray(await admin.deadLetters()));
  await assert.rejects(admin.retry(task.id), { name: 'ConflictError', details: { task_id: task.id, status: 'completed' } });
  await assert.rejects(admin.retry('unknown'), NotFoundError);
  await assert.rejects(admin.requeue(task.id), NotFoundError);
  await assert.rejects(admin.drop(task.id), NotFoundError);
  await assert.rejects(admin.cancel('unknown'), NotFoundError);
});

test('a key is made and disabled, and a bad request for one is told by its fields', async () => {
  await assert.rejects(admin.createKey({ name: '', rpm: 0 }), (error) => {
    assert.ok(error instanceof InvalidRequestError);
    assert.deepEqual(error.fields.map(({ field }) => field).sort(), ['name', 'rpm']);
    return true;
  });
  const { key, id } = await admin.createKey({ name: 'studio', rpm: 5 });
  assert.match(key, /^ost_/);
  assert.deepEqual(await admin.disableKey(id, { cancelJobs: true }), {
    id, name: 'studio', disabled: true, cancelled: 0,
  });
  const { keys } = await admin.keys({ limit: 1 });
  assert.deepEqual([keys[0].id, keys[0].disabled, keys[0].limits.rpm], [id, true, 5]);
});
