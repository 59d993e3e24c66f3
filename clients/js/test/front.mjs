// A front before the real API that breaks what a network breaks: an answer that is lost, a stream that is cut.

import { createServer, request as call } from 'node:http';

export const api = process.env.MUSICGEN_URL;

/** Whether it holds before twenty seconds are over. */
export async function until(holds) {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await holds()) return true;
    await new Promise((resume) => setTimeout(resume, 50));
  }
  return false;
}

/** Stands until the test `t` is over. `rule(request, number)` names what is done to each: 'lose the answer', 'refuse', 'know no wait' (as an older server), { cutAfter: bytes }, or nothing. */
export async function frontOf(t, rule) {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push({ method: request.method, url: request.url, headers: request.headers });
    const harm = rule(request, seen.length);
    if (harm === 'refuse') {
      response.writeHead(503, { 'Retry-After': '0', 'Content-Type': 'text/html' }).end('<h1>Bad gateway</h1>');
      return;
    }
    const { method, url, headers } = request;
    const onward = call(api + (harm === 'know no wait' ? url.split('?')[0] : url), { method, headers }, (answer) => {
      if (harm === 'lose the answer') return answer.resume().on('end', () => request.socket.destroy());
      response.writeHead(answer.statusCode, answer.headers);
      let passed = 0;
      answer.on('data', (chunk) => {
        passed += chunk.length;
        response.write(chunk, () => harm?.cutAfter && passed > harm.cutAfter && request.socket.destroy());
      });
      answer.on('end', () => response.end());
    });
    onward.on('error', () => request.socket.destroy());
    response.on('close', () => onward.destroy());
    request.pipe(onward);
  });
  await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
  t.after(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${server.address().port}`, seen };
}
