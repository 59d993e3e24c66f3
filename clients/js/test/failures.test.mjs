import assert from 'node:assert/strict';
import { test } from 'node:test';

import MusicGenAPI, {
  APIError, AuthenticationError, ConflictError, ConnectionError, InvalidRequestError, MusicGenError, UnavailableError,
} from 'musicgen-api';

import { api, frontOf } from './front.mjs';

const keyed = (options) => new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: api, ...options });
const posts = (front) => front.seen.filter((call) => call.method === 'POST');

test('a submission whose answer was lost is sent again under its key, and is one task', async (t) => {
  const front = await frontOf(t, (request, number) => (number === 1 ? 'lose the answer' : undefined));
  const task = await keyed({ baseUrl: front.url }).submit({ prompt: 'calm piano', client_id: 'once' });
  const [first, second] = posts(front).map((call) => call.headers['idempotency-key']);
  assert.ok(first);
  assert.equal(first, second);
  const page = await (await fetch(`${api}/tasks`, { headers: { 'X-API-Key': 'YOUR_KEY' } })).json();
  assert.deepEqual(page.tasks.filter((one) => one.client_id === 'once').map((one) => one.task_id), [task.id]);
});

test('a form with a melody is sent again whole', async (t) => {
  const front = await frontOf(t, (request, number) => (number === 1 ? 'lose the answer' : undefined));
  const clip = await keyed({ baseUrl: front.url }).generate({ prompt: 'play along', duration: 1, melody: 'hum.wav' });
  assert.equal(clip.status, 'completed');
  // more than twice where this account has other files heard at that moment, and must wait its turn
  assert.ok(posts(front).length >= 2);
  assert.equal(new Set(posts(front).map((call) => call.headers['idempotency-key'])).size, 1);
});

test('a service that is away is tried as often as asked, and then told as it is', async (t) => {
  const front = await frontOf(t, () => 'refuse');
  await assert.rejects(keyed({ baseUrl: front.url, maxRetries: 2 }).health(), (error) => {
    assert.ok(error instanceof UnavailableError && error instanceof APIError && error instanceof MusicGenError);
    assert.deepEqual([error.status, error.retryAfterMs, error.retryable], [503, 0, true]);
    return true;
  });
  assert.equal(front.seen.length, 3);
});

test('who must wait longer than it likes is told so at once', async () => {
  const headers = { 'Retry-After': '90' };
  const fetch = async () => new Response('{"error": {"code": "QUEUE_FULL", "message": "full"}}', { status: 429, headers });
  await assert.rejects(keyed({ fetch }).submit({ prompt: 'a' }), { name: 'QueueFullError', retryAfterMs: 90_000 });
});

test('nobody there is a ConnectionError that names the address', async () => {
  const nowhere = keyed({ baseUrl: 'http://127.0.0.1:9', maxRetries: 0 });
  await assert.rejects(nowhere.health(), (error) => {
    assert.ok(error instanceof ConnectionError);
    assert.match(error.message, /http:\/\/127\.0\.0\.1:9\/health/);
    return true;
  });
});

test('an answer that takes too long ends at the time limit', async () => {
  const fetch = (url, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  await assert.rejects(keyed({ fetch, timeoutMs: 20, maxRetries: 0 }).health(), { code: 'TIMEOUT', retryable: true });
});

test('a wrong key, no key and a key of other tasks are told apart from what is missing', async () => {
  await assert.rejects(keyed({ apiKey: 'WRONG' }).submit({ prompt: 'a' }), AuthenticationError);
  await assert.rejects(keyed({ apiKey: undefined }).submit({ prompt: 'a' }), AuthenticationError);
  const task = await keyed().submit({ prompt: 'a' });
  await assert.rejects(keyed({ apiKey: 'ANOTHER_KEY' }).task(task.id).poll(), { status: 404, code: 'NOT_FOUND' });
  await assert.rejects(keyed({ apiKey: 'WRONG' }).task(task.id).poll(), { status: 401, code: 'UNAUTHORIZED' });
});

test('an error is read as older servers tell it and as newer ones do', async () => {
  const object = { error: { code: 'NOT_FOUND', message: 'no task', details: { a: 1 } } };
  const fields = { error: 'no task', error_code: 'NOT_FOUND', error_details: { a: 1 }, status: 'failed' };
  for (const told of [object, fields]) {
    const fetch = async () => new Response(JSON.stringify(told), { status: 404 });
    const wanted = { name: 'NotFoundError', message: 'no task', code: 'NOT_FOUND', details: { a: 1 } };
    await assert.rejects(keyed({ fetch }).task('x').poll(), wanted);
  }
});

test('bad input lists every bad field', async () => {
  await assert.rejects(keyed().generate({ prompt: '', duration: -1, tempo: 120 }), (error) => {
    assert.ok(error instanceof InvalidRequestError);
    assert.deepEqual(error.fields.map((fault) => fault.field).sort(), ['duration', 'prompt', 'tempo']);
    return true;
  });
});

test('a key of one request is refused for another', async () => {
  await keyed().submit({ prompt: 'a' }, { idempotencyKey: 'mine' });
  await assert.rejects(keyed().submit({ prompt: 'b' }, { idempotencyKey: 'mine' }), (error) => {
    assert.ok(error instanceof ConflictError);
    assert.equal(error.code, 'IDEMPOTENCY_CONFLICT');
    return true;
  });
});

test('an address may end with a slash or with /api/v1, and what is none is refused', async () => {
  for (const end of ['/', '/api/v1', '/api/v1/']) assert.ok(await keyed({ baseUrl: api + end }).usage());
  assert.throws(() => new MusicGenAPI({ baseUrl: 'nowhere' }), /baseUrl "nowhere"/);
});

test('what answers without JSON is taken for another service', async () => {
  const fetch = async () => new Response('<h1>Welcome</h1>');
  await assert.rejects(keyed({ fetch }).health(), { code: 'NO_JSON' });
});
