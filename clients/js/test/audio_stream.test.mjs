import assert from 'node:assert/strict';
import { test } from 'node:test';

import MusicGenAPI, { AudioChunk, ConflictError, TaskCancelledError, TaskFailedError } from 'musicgen-api';

import { api, frontOf, until } from './front.mjs';

const keyed = (options) => new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: api, ...options });
const client = keyed();
const HEAD = 44; // bytes of a WAV's

async function heardOf(chunks) {
  const heard = [];
  for await (const chunk of chunks) heard.push(chunk);
  return heard;
}

function joined(chunks) {
  return Buffer.concat(chunks.map(({ samples }) => Buffer.from(samples.buffer)));
}

test('the chunks follow each other, and join to the file', async () => {
  const stream = client.stream({ prompt: 'calm piano', duration: 4 }); // more than two reads of a socket take
  const heard = await heardOf(stream);
  assert.ok(heard.length > 2 && heard[0] instanceof AudioChunk);
  let atS = 0;
  for (const { startS, durationS, sampleRate, channels, restart } of heard) {
    assert.deepEqual([startS, sampleRate, channels, restart], [atS, 32_000, 1, false]);
    atS += durationS;
  }
  assert.equal(atS, 4);
  const clip = await stream.clip();
  assert.deepEqual(joined(heard), Buffer.from(await clip.bytes()).subarray(HEAD));
  const floats = heard[0].channel();
  assert.ok(floats instanceof Float32Array && floats.some((one) => Math.abs(one) > 0.05));
  assert.ok(floats.every((one, at) => one === heard[0].samples[at] / 32768));
  await assert.rejects(heardOf(stream), /heard once/);
});

test('a task of anybody is heard from its beginning, also once it has ended', async () => {
  const task = await client.submit({ prompt: 'calm piano', duration: 1, stream: true });
  const early = await heardOf(client.task(task.id).listen());
  const late = await heardOf(client.task(task.id).listen());
  assert.equal(joined(early).length, 64_000);
  assert.deepEqual(joined(early), joined(late));
});

test('music that was made before is heard too', async () => {
  for (const output_format of ['wav', 'mp3']) {
    const request = { prompt: 'calm piano', duration: 1, seed: 31, output_format };
    for (const _ of [1, 2]) assert.equal(joined(await heardOf(client.stream(request))).length, 64_000);
  }
});

test('leaving the loop cancels the task of a stream, and leaves one that was only listened to alone', async () => {
  const stream = client.stream({ prompt: 'without end', duration: 30 });
  for await (const chunk of stream) {
    assert.equal(chunk.startS, 0);
    assert.equal((await stream.task.poll()).status, 'processing', 'it is heard while it is made');
    break;
  }
  assert.ok(await until(async () => (await stream.task.poll()).status === 'cancelled'));
  const task = await client.submit({ prompt: 'calm piano', duration: 2, stream: true });
  for await (const chunk of task.listen()) if (chunk.startS >= 0) break;
  assert.equal((await task.wait()).status, 'completed');
});

test('an aborted stream rejects with the reason, and its task is cancelled', async () => {
  const abort = new AbortController();
  const stream = client.stream({ prompt: 'without end', duration: 30 }, { signal: abort.signal });
  const hear = async () => {
    for await (const chunk of stream) abort.abort(new Error(`enough after ${chunk.startS} s`));
  };
  await assert.rejects(hear(), /enough after 0 s/);
  assert.ok(await until(async () => (await stream.task.poll()).status === 'cancelled'));
  await assert.rejects(stream.clip(), TaskCancelledError);
});

test('a new attempt that sounds otherwise begins with a chunk that says so', async () => {
  const stream = client.stream({ prompt: 'begins anew', duration: 2 });
  const heard = await heardOf(stream);
  const at = heard.findIndex((chunk) => chunk.restart);
  assert.ok(at > 0 && heard[at].startS === 0);
  assert.equal(heard.filter((chunk) => chunk.restart).length, 1);
  const clip = await stream.clip();
  assert.deepEqual(joined(heard.slice(at)), Buffer.from(await clip.bytes()).subarray(HEAD));
  assert.equal(stream.task.state.attempts, 2);
});

test('a connection that breaks is opened again: nothing is missed or given twice', async (t) => {
  let calls = 0;
  const harm = [{ cutAfter: 20_001 }, 'refuse', { cutAfter: 47_000 }];
  const front = await frontOf(t, (request) => (request.url.includes('/stream') ? harm[calls++] : undefined));
  const stream = keyed({ baseUrl: front.url }).stream({ prompt: 'calm piano', duration: 2 });
  const heard = await heardOf(stream);
  assert.ok(calls === 4 && heard.every((chunk) => !chunk.restart));
  assert.deepEqual(joined(heard), Buffer.from(await (await stream.clip()).bytes()).subarray(HEAD));
});

test('one that nobody can mend is given up with the reason, and a failed task with its own', async (t) => {
  const front = await frontOf(t, (request) => (request.url.includes('/stream') ? 'refuse' : undefined));
  const broken = keyed({ baseUrl: front.url, streamPatienceMs: 30 });
  await assert.rejects(heardOf(broken.stream({ prompt: 'calm piano', duration: 1 })), { status: 503 });
  await assert.rejects(heardOf(client.stream({ prompt: 'please fail', duration: 2 })), (error) => {
    assert.ok(error instanceof TaskFailedError);
    assert.match(error.message, /Out of memory/);
    return true;
  });
});

test('a task that was not submitted to be heard says how, and has no address for a player', async () => {
  const task = await client.submit({ prompt: 'slowly', duration: 1 });
  await assert.rejects(heardOf(task.listen()), (error) => {
    assert.ok(error instanceof ConflictError);
    assert.match(error.message, /"stream": true/);
    return true;
  });
  assert.equal(task.streamUrl(), null);
});

test('the address for a player needs no key and names the format', async () => {
  const task = await client.submit({ prompt: 'calm piano', duration: 1, stream: true });
  const answer = await fetch(task.streamUrl('mp3'));
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, 'audio/mpeg']);
  assert.ok((await answer.arrayBuffer()).byteLength > 2000);
});

const tag = Buffer.from('LIST\x03\0\0\0abc\0', 'latin1'); // of odd length, padded
const layout = Buffer.from([16, 0, 0, 0, 1, 0, 2, 0, 0, 125, 0, 0, 0, 244, 1, 0, 4, 0, 16, 0]);
const sizes = { known: Buffer.from([8, 0, 0, 0]), unknown: Buffer.from([255, 255, 255, 255]) };

function wavOf(size, ...parts) {
  const head = [Buffer.from('RIFF....WAVE'), tag, Buffer.from('fmt '), layout, Buffer.from('data'), size];
  return Buffer.concat([...head, Buffer.from([1, 0, 2, 0, 255, 255, 0, 128]), ...parts]);
}

test('a WAV is read wherever its bytes are cut, and without what stands around its samples', async () => {
  const wavs = [wavOf(sizes.known, tag), wavOf(sizes.unknown), wavOf(sizes.unknown, Buffer.from([9]))];
  for (const wav of wavs) {
    for (const pieceBytes of [1, 3, 7, 1000]) {
      const fetch = async () => new Response(new Blob([wav]).stream().pipeThrough(cutting(pieceBytes)));
      const heard = await heardOf(keyed({ fetch }).task('a').listen());
      assert.deepEqual([...joined(heard)], [1, 0, 2, 0, 255, 255, 0, 128]);
      assert.deepEqual([heard[0].channels, heard[0].sampleRate], [2, 32_000]);
      if (pieceBytes === 1000) assert.deepEqual([...heard[0].channel(1)], [2 / 32768, -1]);
    }
  }
});

test('what is no such sound is refused as that', async () => {
  const deep = wavOf(sizes.known);
  deep[deep.indexOf('fmt ') + 22] = 24;
  for (const [body, why] of [['<h1>Welcome here</h1>', /no WAV/], [deep, /16-bit/]]) {
    const fetch = async () => new Response(body);
    await assert.rejects(heardOf(keyed({ fetch }).task('a').listen()), { code: 'NO_SOUND', message: why });
  }
});

function cutting(size) {
  return new TransformStream({
    transform(bytes, out) {
      for (let at = 0; at < bytes.length; at += size) out.enqueue(bytes.slice(at, at + size));
    },
  });
}
