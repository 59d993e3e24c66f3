// Uses the package's types as CommonJS does. Compiled by test_types.py, never run.

import MusicGenAPI = require('musicgen-api');

const { APIError, Task } = MusicGenAPI;
const client: MusicGenAPI = new MusicGenAPI({ apiKey: 'YOUR_KEY' });

client.generate({ prompt: 'calm piano', duration: 1 }).then((clip) => console.log(clip.duration.toFixed(1)));
client.submit({ prompt: 'calm piano' }).then(
  (task) => console.log(task instanceof Task),
  (error) => console.log(error instanceof APIError && error.status),
);

// @ts-expect-error seconds are a number
client.submit({ prompt: 'calm piano', duration: 'long' });
