// Runs each example of which the path is given, one after the other, and prints for each { path, printed, error }.

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(pathToFileURL(`${process.cwd()}/`));
const { body, headers } = JSON.parse(process.env.WEBHOOK);
const print = console.log;

async function run(path) {
  const { POST } = path.endsWith('.cjs') ? await require(path) : await import(pathToFileURL(path));
  if (!POST) return;
  const statuses = [];
  for (const sent of [body, `${body} `]) {
    statuses.push((await POST(new Request('http://localhost/', { method: 'POST', headers, body: sent }))).status);
  }
  if (statuses.join() !== '204,401') throw new Error(`the webhook's receiver answered ${statuses}`);
}

for (const path of process.argv.slice(2)) {
  const printed = [];
  console.log = (...words) => printed.push(words.join(' '));
  const error = await run(path).then(() => null, (reason) => reason.stack ?? String(reason));
  print(JSON.stringify({ path, printed, error }));
}
process.exit(); // what an example has left open is nobody's any more
