import assert from 'node:assert/strict';
import { test } from 'node:test';

import MusicGenAPI, { AuthenticationError, NotFoundError } from 'musicgen-api';

import { readBlocks } from '../src/events.js';
import { api, frontOf } from './front.mjs';

const client = new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: api });

async function blocksOf(...chunks) {
  const blocks = [];
  for await (const block of readBlocks(new Blob(chunks).stream())) blocks.push(block);
  return blocks;
}

test('a task tells its life, event by event, and then the iteration ends', async () => {
  const task = await client.submit({ prompt: 'slowly', duration: 1 });
  const events = [];
  for await (const event of task) events.push(event);
  const types = events.map((event) => event.type);
  assert.equal(types[0], 'queued');
  assert.ok(types.includes('started') && types.includes('progress'));
  assert.equal(types.at(-1), 'completed');
  assert.ok(events.every((event) => event.data.task_id === task.id));
  assert.equal(task.state.status, 'completed');
});

test('a stream that is cut goes on where it was: nothing is missed or told twice', async (t) => {
  const harm = ['', { cutAfter: 400 }, 'refuse'];
  const front = await frontOf(t, (request, number) => harm[number - 1]);
  const task = await new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: front.url }).submit({ prompt: 'slowly' });
  const ids = [];
  for await (const { id } of task.events()) if (id) ids.push(id);
  const whole = [];
  for await (const { id } of client.task(task.id).events()) if (id) whole.push(id);
  assert.deepEqual(ids, whole);
  const calls = front.seen.filter((call) => call.url.endsWith('/events'));
  assert.equal(calls.length, 3);
  assert.equal(calls[0].headers['last-event-id'], undefined);
  assert.ok(ids.includes(calls[2].headers['last-event-id']));
});

test('a reader that has heard some events asks only for the rest', async () => {
  const { task_id } = await client.generate({ prompt: 'calm piano', duration: 1 });
  const all = [];
  for await (const event of client.task(task_id).events()) all.push(event);
  const rest = [];
  for await (const event of client.task(task_id).events({ lastEventId: all[0].id })) rest.push(event.id);
  assert.deepEqual(rest, all.slice(1).map((event) => event.id));
  for await (const event of client.task(task_id).events({ lastEventId: all.at(-1).id })) assert.fail(event.type);
});

test('leaving the loop closes the stream', async (t) => {
  const front = await frontOf(t, () => undefined);
  const task = await new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: front.url }).submit({ prompt: 'without end' });
  for await (const event of task) if (event.type === 'started') break;
  await task.cancel();
  assert.equal(front.seen.filter((call) => call.url.endsWith('/events')).length, 1);
});

test('a stream that nobody can mend is given up with the reason', async (t) => {
  const front = await frontOf(t, () => 'refuse');
  const options = { apiKey: 'YOUR_KEY', baseUrl: front.url, streamPatienceMs: 30 };
  await assert.rejects(new MusicGenAPI(options).task('a').wait(), { name: 'UnavailableError', status: 503 });
  assert.ok(front.seen.length > 1);
  await assert.rejects(client.task('nobody').wait(), NotFoundError);
  await assert.rejects(new MusicGenAPI({ baseUrl: api }).task('a').wait(), AuthenticationError);
});

test('blocks are read whatever their line ends, and wherever a chunk is cut', async () => {
  const text = ': hello\n\nid: 1-0\r\nevent: progress\r\ndata: {"a":\r\ndata: "é"}\r\n\r\nretry: 70\n\nevent: half';
  const expected = await blocksOf(text);
  assert.deepEqual(expected.map((block) => [block.type, block.id, block.data, block.retryMs, block.isComment]), [
    [null, null, '', null, true],
    ['progress', '1-0', '{"a":\n"é"}', null, false],
    [null, null, '', 70, false],
  ]);
  const bytes = new TextEncoder().encode(text);
  const stream = new ReadableStream({
    start(controller) {
      bytes.forEach((byte) => controller.enqueue(Uint8Array.of(byte)));
      controller.close();
    },
  });
  const found = [];
  for await (const block of readBlocks(stream)) if (block.type) found.push(block);
  assert.deepEqual(found, [expected[1]]);
});
