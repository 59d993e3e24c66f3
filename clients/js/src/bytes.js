// Bytes, and those of an answer while they come. Owns noticing that a connection is dead, and closing one that is left
// early.

export function joined(first, second) {
  if (!first.length) return second;
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** The chunks of the answer to a GET; null for one without a body. After such a silence it counts as broken off. */
export async function openBytes(http, path, { headers, signal, silenceMs }) {
  const silence = new AbortController();
  const either = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  const response = await http.attempt('GET', path, { headers, signal: either, untimed: true }, (answer) => answer);
  return response.status === 204 ? null : chunksOf(http, path, response, { signal, silence, silenceMs });
}

async function* chunksOf(http, path, response, { signal, silence, silenceMs }) {
  const reader = response.body.getReader();
  let timer;
  try {
    for (;;) {
      timer = setTimeout(() => silence.abort(), silenceMs);
      const { done, value } = await reader.read();
      clearTimeout(timer); // as long as the reader takes is no silence of the server
      if (done) return;
      yield value;
    }
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    throw http.unreached('GET', path, cause);
  } finally {
    clearTimeout(timer);
    silence.abort(); // closes the connection of one that is left early
  }
}
