// Uses the package's types as an ES module does. Compiled by test_types.py, never run.

import MusicGenAPI, { APIError, QueueFullError, Task, verifyWebhook } from 'musicgen-api';
import type { Clip, MusicRequest, TaskEvent } from 'musicgen-api';

const client: MusicGenAPI = new MusicGenAPI({ apiKey: 'YOUR_KEY', baseUrl: 'http://localhost:8000' });
const request: MusicRequest = { prompt: 'calm piano', duration: 1, output_format: 'flac' };

export async function make(): Promise<Clip> {
  const task: Task = await client.submit(request);
  for await (const event of task) tell(event);
  try {
    return await task.wait();
  } catch (error) {
    if (error instanceof QueueFullError && error instanceof APIError) console.log(error.status, error.code);
    throw error;
  }
}

function tell(event: TaskEvent): void {
  console.log(event.type, event.id);
}

// @ts-expect-error seconds are a number
client.generate({ prompt: 'calm piano', duration: 'long' });
// @ts-expect-error a secret is needed
verifyWebhook({ body: '', headers: {} });
