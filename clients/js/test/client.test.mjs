import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { test } from 'node:test';

import MusicGenAPI, {
  Clip, ConflictError, Mix, NotFoundError, TaskCancelledError, TaskFailedError,
} from 'musicgen-api';

import { until } from './front.mjs';

const client = new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: process.env.MUSICGEN_URL });

test('generate gives a clip whose audio can be fetched, streamed and saved', async () => {
  const clip = await client.generate({ prompt: 'calm piano', duration: 2, seed: 7, output_format: 'flac' });
  assert.ok(clip instanceof Clip);
  assert.deepEqual([clip.status, clip.duration, clip.metadata.seed], ['completed', 2, 7]);
  const bytes = await clip.bytes();
  assert.equal(Buffer.from(bytes.slice(0, 4)).toString(), 'fLaC');
  assert.equal(bytes.length, clip.metadata.bytes);
  assert.equal(await clip.save(), `${clip.task_id}.flac`);
  assert.deepEqual(new Uint8Array(await readFile(`${clip.task_id}.flac`)), bytes);
  const chunks = [];
  for await (const chunk of await clip.stream()) chunks.push(chunk);
  assert.deepEqual(new Uint8Array(Buffer.concat(chunks)), bytes);
  assert.equal((await clip.blob()).type, 'audio/flac');
});

test('the audio_url of a clip is whole and needs no key', async () => {
  const { audio_url, metadata } = await client.generate({ prompt: 'calm piano', duration: 1 });
  const answer = await fetch(audio_url);
  assert.equal(answer.status, 200);
  assert.equal((await answer.arrayBuffer()).byteLength, metadata.bytes);
});

test('a clip as JSON has the fields of the document and no secret', async () => {
  const told = JSON.parse(JSON.stringify(await client.generate({ prompt: 'calm piano', duration: 1 })));
  assert.deepEqual(Object.keys(told), ['task_id', 'status', 'audio_url', 'duration', 'metadata']);
  assert.ok(!JSON.stringify(client).includes('YOUR_KEY'));
});

test('a submitted task is polled, waited for, and found again by its id', async () => {
  const endless = await client.submit({ prompt: 'without end' });
  assert.equal((await endless.poll()).status, 'processing');
  await endless.cancel();
  const task = await client.submit({ prompt: 'slowly', duration: 1 });
  const clip = await client.task(task.id).wait();
  assert.equal(clip.task_id, task.id);
  assert.equal((await task.poll()).status, 'completed');
  assert.equal((await client.task(task.id).wait()).audio_url.split('?')[0], clip.audio_url.split('?')[0]);
});

test('a melody goes up as a file: bytes, a Blob, or a path', async () => {
  const bytes = await readFile('hum.wav');
  for (const melody of [bytes, new Blob([bytes]), 'hum.wav']) {
    const clip = await client.generate({ prompt: 'play along', duration: 1.5, seed: 3, cache: false, melody });
    assert.deepEqual([clip.duration, clip.metadata.seed], [1.5, 3]);
  }
  await assert.rejects(client.submit({ prompt: 'play along', melody: 12 }), TypeError);
});

test('files go up in the requests of a batch and in the instruments of a piece', async () => {
  const bytes = await readFile('hum.wav');
  const melody = new Blob([bytes], { type: 'audio/wav' });
  const batch = await client.submitBatch([{ melody, duration: 1 }, { continue_audio: 'hum.wav', duration: 2 }]);
  assert.deepEqual(batch.state.tasks.map((task) => task.melody_seconds ?? task.continued_seconds), [1, 1]);
  await batch.cancel();
  const piece = await client.submitMultiInstrument({ instruments: { flute: { prompt: 'x', melody: bytes } }, duration: 1 });
  const parts = await Promise.all(piece.state.parts.map((part) => client.task(part.task_id).poll()));
  assert.deepEqual(parts.map((part) => part.melody_seconds), [1]);
  await assert.rejects(client.submitBatch([{ melody: 12 }]), TypeError);
});

test('audio comes the way that is asked for', async () => {
  const asked = [];
  const fetch = (url, how) => (asked.push(new URL(url).search), globalThis.fetch(url, how));
  const through = new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: process.env.MUSICGEN_URL, audioVia: 'server', fetch });
  const stream = through.stream({ prompt: 'calm piano', duration: 1 });
  for await (const chunk of stream) assert.ok(chunk.frames);
  const clip = await stream.clip();
  await clip.bytes();
  await clip.bytes({ format: 'flac' });
  for (const query of ['?format=wav&via=server', '?via=server', '?format=flac&via=server']) assert.ok(asked.includes(query), query);
});

test('a clip is fetched in another format than it was made in', async () => {
  const clip = await client.generate({ prompt: 'calm piano', duration: 1 });
  const converted = await clip.bytes({ format: 'flac' });
  assert.deepEqual([...converted.subarray(0, 4)], [...Buffer.from('fLaC')]);
  assert.equal(await clip.save(undefined, { format: 'ogg' }), `${clip.task_id}.ogg`);
  await assert.rejects(clip.bytes({ format: 'midi' }), (error) => error.fields[0].field === 'format');
});

test('a task is kept, found again and shared', async () => {
  const clip = await client.generate({ prompt: 'calm piano', duration: 1 });
  const task = client.task(clip.task_id);
  const state = await task.edit({ title: 'Sonnet for nobody', favourite: true });
  assert.deepEqual([state.title, state.favourite], ['Sonnet for nobody', true]);
  const found = await client.recent({ q: 'sonnet NOBODY', favourite: true });
  assert.deepEqual([found.tasks.map((each) => each.id), found.total], [[task.id], 1]);
  assert.equal((await task.edit({ title: null, favourite: false })).title, undefined);
  const share = await task.share({ expiresInS: 3600 });
  assert.deepEqual(await task.shares(), [share]);
  assert.equal((await fetch(share.url)).status, 200);
  await task.withdraw(share);
  assert.equal((await fetch(share.url)).status, 410);
});

test("a link that shares leads through a proxy's path of which the server does not know", async () => {
  const { origin } = new URL((await client.generate({ prompt: 'calm piano', duration: 1 })).audio_url);
  const inside = (url, how) => globalThis.fetch(String(url).replace('/below/', '/'), how);
  const behind = new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: `${origin}/below`, fetch: inside });
  const task = behind.task((await behind.recent({ limit: 1 })).tasks[0].id);
  const share = await task.share();
  assert.ok(share.url.startsWith(`${origin}/below/shared?token=`), share.url);
  assert.deepEqual(await task.shares(), [share]);
  await task.withdraw(share);
});

test('a tempo and a key are put into the prompt, and the task tells them', async () => {
  const task = await client.submit({ prompt: 'calm piano', duration: 1, tempo_bpm: 94, key: 'a minor' });
  const clip = await task.wait();
  assert.equal(clip.metadata.prompt, 'calm piano in A minor, at 94 bpm');
  assert.deepEqual([task.state.tempo_bpm, task.state.key], [94, 'A minor']);
  const batch = await client.submitBatch([{ prompt: 'drums', tempo_bpm: 120 }, { prompt: 'calm piano' }]);
  assert.deepEqual(batch.state.tasks.map((each) => each.prompt), ['drums, at 120 bpm', 'calm piano']);
  await batch.cancel();
  await assert.rejects(client.submit({ prompt: 'x', tempo_bpm: 300 }), (error) => error.fields[0].field === 'tempo_bpm');
});

test('a task that fails rejects with its reason', async () => {
  await assert.rejects(client.generate({ prompt: 'please fail' }), (error) => {
    assert.ok(error instanceof TaskFailedError);
    assert.match(error.message, /Out of memory/);
    assert.equal(error.code, 'GENERATION_FAILED');
    assert.equal(error.task.status, 'failed');
    return true;
  });
});

test('a task that somebody cancels rejects who waits for it', async () => {
  const task = await client.submit({ prompt: 'without end' });
  const waiting = assert.rejects(task.wait(), TaskCancelledError);
  assert.equal((await client.task(task.id).cancel()).status, 'cancelled');
  await waiting;
});

test('a task that has completed cannot be cancelled, but purged', async () => {
  const clip = await client.generate({ prompt: 'calm piano', duration: 1 });
  const task = client.task(clip.task_id);
  await assert.rejects(task.cancel(), ConflictError);
  await task.purge();
  await assert.rejects(task.poll(), NotFoundError);
  await assert.rejects(task.wait(), NotFoundError);
});

test('an aborted generate rejects at once with the reason, and its task is cancelled', async () => {
  const abort = new AbortController();
  let id;
  const onProgress = (event) => {
    id = event.data.task_id;
    if (event.type === 'started') abort.abort(new Error('enough'));
  };
  await assert.rejects(client.generate({ prompt: 'without end' }, { signal: abort.signal, onProgress }), /enough/);
  assert.ok(await until(async () => (await client.task(id).poll()).status === 'cancelled'));
});

test('one that is aborted while it is being submitted is cancelled too', async () => {
  const abort = new AbortController();
  const fetchAndAbort = (...call) => {
    setTimeout(() => abort.abort(new Error('enough'))); // the request is under way, and has no answer yet
    return globalThis.fetch(...call);
  };
  const server = { apiKey: 'YOUR_KEY', baseUrl: process.env.MUSICGEN_URL };
  const impatient = new MusicGenAPI({ ...server, fetch: fetchAndAbort });
  const request = { prompt: 'without end', client_id: 'too late' };
  await assert.rejects(impatient.generate(request, { signal: abort.signal }), /enough/);
  const tasks = async () => {
    const headers = { Authorization: 'Bearer YOUR_KEY' };
    const page = await (await fetch(`${process.env.MUSICGEN_URL}/tasks`, { headers })).json();
    return page.tasks.filter((task) => task.client_id === 'too late');
  };
  assert.ok(await until(async () => (await tasks())[0]?.status === 'cancelled'));
});

test('a signal that was aborted before sends nothing', async () => {
  const fetch = () => assert.fail('a call was made');
  const silent = new MusicGenAPI({ fetch });
  await assert.rejects(silent.generate({ prompt: 'calm piano' }, { signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
});

test('an aborted wait leaves the task alone', async () => {
  const task = await client.submit({ prompt: 'without end' });
  await assert.rejects(task.wait({ signal: AbortSignal.timeout(50) }), { name: 'TimeoutError' });
  assert.equal((await task.poll()).status, 'processing');
  await task.cancel();
});

test('a batch gives each clip or the reason why not, in the order of its requests', async () => {
  const states = [];
  const results = await client.generateBatch(
    [{ prompt: 'one', duration: 1 }, { prompt: 'please fail' }, { prompt: 'two', duration: 2 }],
    { onProgress: (state) => states.push(state.status), pollEveryMs: 50 },
  );
  assert.deepEqual(results.map((one) => one.status), ['fulfilled', 'rejected', 'fulfilled']);
  assert.deepEqual([results[0].value.duration, results[2].value.duration], [1, 2]);
  assert.ok(results[1].reason instanceof TaskFailedError);
  assert.equal(states.at(-1), 'partial');
});

test('an aborted batch is cancelled', async () => {
  const abort = new AbortController();
  const onProgress = (state) => abort.abort(new Error(state.batch_id));
  const requests = [{ prompt: 'without end' }, { prompt: 'without end' }];
  const error = await client.generateBatch(requests, { signal: abort.signal, onProgress }).catch((reason) => reason);
  assert.ok(await until(async () => (await client.batch(error.message).poll()).status === 'cancelled'));
});

test('variations are a batch under seeds that follow each other', async () => {
  const batch = await client.variations({ prompt: 'play along', duration: 1, seed: 40, melody: 'hum.wav' }, 3);
  assert.equal(batch.tasks.length, 3);
  const results = await batch.wait({ pollEveryMs: 50 });
  assert.deepEqual(results.map((one) => one.value?.metadata.seed), [40, 41, 42]);
  assert.equal((await batch.tasks[0].poll()).status, 'completed');
  await assert.rejects(client.submit({ prompt: 'a', variations: 3 }), /variations\(request, count\)/);
  await assert.rejects(client.variations({ prompt: 'a' }, 1), /submit\(request\)/);
});

test('several instruments become one mix, and the clip of each', async () => {
  const instruments = { piano: 'Jazz piano comping', bass: { prompt: 'Walking bass line', seed: 9 } };
  const request = { instruments, duration: 1, mix_preset: 'jazz_club', seed: 7, tempo_bpm: 94 };
  const mix = await client.multiInstrument(request);
  assert.ok(mix instanceof Mix && mix instanceof Clip);
  assert.deepEqual([mix.metadata.tempo_bpm, mix.metadata.mix_preset], [94, 'jazz_club']);
  const stems = await mix.stems();
  assert.deepEqual(Object.keys(stems), ['piano', 'bass']);
  assert.deepEqual([stems.bass.duration, stems.bass.metadata.seed], [1, 9]);
  assert.equal((await stems.piano.bytes()).length, stems.piano.metadata.bytes);
});

test('a piece is mixed again from its stems, with what is to be other', async () => {
  const instruments = { piano: 'calm piano', bass: 'walking bass' };
  const piece = await client.submitMultiInstrument({ instruments, duration: 1, mix_preset: 'jazz_club' });
  await piece.wait();
  const task = await piece.remix({ levels: { bass: -96 }, mix_preset: null, loudness: -20 });
  const mix = await task.wait();
  assert.deepEqual([mix.metadata.mix_of, mix.metadata.loudness, mix.metadata.mix_preset], [piece.id, -20, null]);
  assert.deepEqual(mix.metadata.parts.map(({ level }) => level), [0, -96]);
  assert.equal((await mix.stems()).bass.metadata.sha256, (await client.task(piece.state.parts[1].task_id).wait()).metadata.sha256);
  await assert.rejects(client.task(piece.state.parts[0].task_id).remix(), ConflictError);
  const told = await piece.mix();
  assert.deepEqual([told.mix_preset, told.loudness, told.bus[0].type], ['jazz_club', -18, 'compressor']);
  const [by, without] = [await piece.mix({ preset: 'unplugged' }), await piece.mix({ preset: null })];
  assert.deepEqual([by.mix_preset, by.loudness, without.mix_preset, without.parts[0].level], ['unplugged', -16, null, 0]);
});

test('an aborted mix is cancelled with its parts', async () => {
  const abort = new AbortController();
  const instruments = { piano: 'without end', bass: 'without end' };
  let id;
  const onProgress = (event) => {
    id = event.data.task_id;
    abort.abort(new Error('enough'));
  };
  await assert.rejects(client.multiInstrument({ instruments }, { signal: abort.signal, onProgress }), /enough/);
  assert.ok(await until(async () => (await client.task(id).poll()).status === 'cancelled'));
  const { parts } = await client.task(id).poll();
  assert.deepEqual(parts.map((part) => part.status), ['cancelled', 'cancelled']);
});

test('music goes on from a clip, from a task that is not done, and from a file', async () => {
  const clip = await client.generate({ prompt: 'calm piano', duration: 1 });
  const further = await client.submit({ continue_from: clip, duration: 2 });
  assert.equal(further.state.continue_from, clip.task_id);
  const last = await client.generate({ continue_from: further, duration: 3 });
  assert.deepEqual([last.duration, last.metadata.prompt], [3, 'calm piano']);
  const file = { continue_audio: 'hum.wav', continue_seconds: 0.5 };
  const own = await client.submit({ prompt: 'calm piano', duration: 1, ...file });
  assert.equal(own.state.continued_seconds, 0.5);
  const [{ value }] = await client.generateBatch([{ continue_from: clip, duration: 2 }], { pollEveryMs: 50 });
  assert.equal(value.duration, 2);
});

test('models, health and usage are told', async () => {
  assert.ok((await client.models()).some((model) => model.name === 'tiny' && model.available));
  assert.equal((await client.health()).status, 'healthy');
  assert.ok((await client.usage()).limits ?? (await client.usage()).account);
});

test('recent lists the newest tasks, page by page, each with its state', async () => {
  const first = await client.generate({ prompt: 'calm piano', duration: 1, seed: 31, cache: false });
  const second = await client.generate({ prompt: 'calm piano', duration: 1, seed: 32, cache: false });
  const { tasks, total } = await client.recent({ limit: 2 });
  assert.deepEqual(tasks.map((task) => task.id), [second.task_id, first.task_id]);
  assert.deepEqual(tasks.map((task) => task.state.request.seed), [32, 31]);
  assert.ok(total >= 2);
  assert.equal((await client.recent({ limit: 1, offset: 1 })).tasks[0].id, first.task_id);
  assert.equal((await tasks[0].wait()).task_id, second.task_id);
});

test('the catalog tells what each model can do, and which one is the default', async () => {
  const { models, default: usual } = await client.catalog();
  const tiny = models.find((model) => model.name === usual);
  assert.deepEqual([tiny.name, tiny.melody, tiny.workers], ['tiny', true, 1]);
  assert.ok(tiny.vocabulary.instruments.includes('piano'));
});

test('links are right below the path of a proxy, of which the server knows nothing', async () => {
  const root = new URL(process.env.MUSICGEN_URL);
  const below = createServer((asked, answer) => {
    const { method, headers } = asked;
    assert.ok(asked.url.startsWith('/studio/'), asked.url);
    const onward = request(new URL(asked.url.slice('/studio'.length), root), { method, headers: { ...headers, host: root.host } });
    onward.on('response', (found) => {
      answer.writeHead(found.statusCode, found.headers);
      found.pipe(answer);
    });
    asked.pipe(onward);
  }).listen(0, '127.0.0.1');
  await once(below, 'listening');
  try {
    const baseUrl = `http://127.0.0.1:${below.address().port}/studio`;
    const clip = await new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl }).generate({ prompt: 'calm piano', duration: 1 });
    assert.ok(clip.audio_url.startsWith(`${baseUrl}/tasks/`));
    assert.equal((await (await fetch(clip.audio_url)).arrayBuffer()).byteLength, clip.metadata.bytes);
  } finally {
    below.close();
    below.closeAllConnections();
  }
});
