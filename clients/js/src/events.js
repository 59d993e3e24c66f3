// A task's events: Server-Sent Events over fetch, which unlike EventSource can send a key. Owns their parsing, and the
// coming back with Last-Event-ID when a stream breaks; knows the names of the last events, and nothing else of tasks.

import { openBytes } from './bytes.js';
import { pause } from './http.js';

const ENDS = new Set(['completed', 'failed', 'cancelled', 'gone']);
const RETRY_MS = 2000; // until the server says otherwise
const SILENCE_MS = 45_000; // three of the server's comments that did not come

/** Each event as { type, id, data }, until the task's last one. After a break it goes on where it was. */
export async function* readEvents(http, path, { signal, lastEventId = null, patienceMs }) {
  let after = lastEventId;
  let retryMs = RETRY_MS;
  let brokenSince = null;
  for (;;) {
    let failure = null;
    try {
      const headers = { Accept: 'text/event-stream', ...(after ? { 'Last-Event-ID': after } : {}) };
      const chunks = await openBytes(http, path, { headers, signal, silenceMs: SILENCE_MS });
      if (!chunks) return; // the last event was received before
      for await (const block of readBlocks(chunks)) {
        retryMs = block.retryMs ?? retryMs;
        if (block.type || block.isComment) brokenSince = null;
        if (!block.type) continue;
        after = block.id ?? after;
        yield { type: block.type, id: block.id, data: JSON.parse(block.data) };
        if (ENDS.has(block.type)) return;
      }
    } catch (error) {
      if (!error?.retryable) throw error;
      failure = error;
    }
    brokenSince ??= Date.now();
    if (Date.now() - brokenSince > patienceMs) throw failure ?? http.unreached('GET', path, 'the events break off');
    await pause(Math.min(failure?.retryAfterMs ?? retryMs, http.maxRetryWaitMs), signal);
  }
}

/** Each block of a stream of bytes, wherever its chunks are cut. One that is not finished at the end is dropped. */
export async function* readBlocks(chunks) {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of chunks) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split(/(?:\r\n|\n|\r(?!\n)){2}/);
    text = blocks.pop();
    yield* blocks.map(parseBlock);
  }
}

function parseBlock(block) {
  const parsed = { type: null, id: null, data: '', retryMs: null, isComment: false };
  const data = [];
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (line.startsWith(':')) parsed.isComment = true;
    else if (name === 'event') parsed.type = value;
    else if (name === 'id') parsed.id = value;
    else if (name === 'data') data.push(value);
    else if (name === 'retry' && /^\d+$/.test(value)) parsed.retryMs = Number(value);
  }
  return { ...parsed, data: data.join('\n') };
}
