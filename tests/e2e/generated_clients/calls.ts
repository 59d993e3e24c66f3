// node calls.js URL MELODY: submits, polls, downloads, uploads a melody and sends a batch, by generated types alone.
import { readFile } from 'node:fs/promises';
import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

type Task = components['schemas']['TaskResponse'];

const [url, melody] = process.argv.slice(2) as [string, string];
const client = createClient<paths>({ baseUrl: url });

function expect(condition: unknown, words: unknown): asserts condition {
  if (!condition) throw new Error(JSON.stringify(words));
}

async function ended(taskId: string): Promise<Task> {
  for (;;) {
    const { data, error } = await client.GET('/tasks/{task_id}', {
      params: { path: { task_id: taskId }, query: { wait: 20 } },
    });
    expect(data, error);
    if (data.status !== 'processing') return data;
  }
}

async function audioOf(task: Task): Promise<Blob> {
  expect(task.status === 'completed', task);
  const { data, error } = await client.GET('/tasks/{task_id}/audio', {
    params: { path: { task_id: task.task_id } },
    parseAs: 'blob',
  });
  expect(data, error);
  return data;
}

async function fromText(): Promise<number> {
  const { data, error } = await client.POST('/tasks', {
    body: { prompt: 'calm piano', duration: 1, output_format: 'flac', seed: 7 },
  });
  expect(data?.kind === 'task', error ?? data); // from here on it is a task to the compiler too
  return (await audioOf(await ended(data.task_id))).size;
}

async function fromMelody(): Promise<number | undefined> {
  const { data, error } = await client.POST('/tasks', {
    body: { prompt: 'strings', duration: 1, melody: new Blob([await readFile(melody)]) },
    bodySerializer: (body) => {
      const form = new FormData();
      for (const [name, value] of Object.entries(body)) form.append(name, value instanceof Blob ? value : String(value));
      return form;
    },
  });
  expect(data?.kind === 'task', error ?? data);
  return (await ended(data.task_id)).melody_seconds;
}

async function variations(): Promise<number> {
  const { data, error } = await client.POST('/tasks', { body: { prompt: 'drums', duration: 1, variations: 2 } });
  expect(data?.kind === 'batch', error ?? data);
  return data.total;
}

async function batch(): Promise<string[]> {
  const { data, error } = await client.POST('/tasks/batch', {
    body: { requests: [{ prompt: 'calm piano', duration: 1 }, { prompt: 'fast drums', duration: 1, model: null }] },
  });
  expect(data, error);
  return Promise.all(data.tasks.map(async (task) => (await ended(task.task_id)).status));
}

async function refused(): Promise<string> {
  const { error, response } = await client.POST('/tasks', { body: { prompt: 'x', duration: 9000 } });
  expect(error && response.status === 400, response.status);
  return error.error.code;
}

console.log(
  JSON.stringify({
    bytes: await fromText(),
    melody_seconds: await fromMelody(),
    variations: await variations(),
    batch: await batch(),
    refused: await refused(),
  }),
);
