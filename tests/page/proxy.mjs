// A proxy that serves a server below a path of which that knows nothing: node proxy.mjs URL PATH; prints its port.

import { createServer, request } from 'node:http';

const [root, path] = [new URL(process.argv[2]), process.argv[3]];

const server = createServer((asked, answer) => {
  if (!asked.url.startsWith(`${path}/`)) return answer.writeHead(404).end();
  const { method } = asked;
  const headers = { ...asked.headers, host: root.host };
  const onward = request(new URL(asked.url.slice(path.length), root), { method, headers });
  onward.on('response', (found) => {
    answer.writeHead(found.statusCode, found.headers);
    found.pipe(answer);
  });
  onward.on('error', () => answer.destroy());
  answer.on('close', () => onward.destroy());
  asked.pipe(onward);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
