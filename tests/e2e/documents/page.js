// Runs a client's script as a page would: node page.js SCRIPT ADDRESS. The page has one element, the audio player.
// Then it makes two asynchronous calls, the second to a model that nobody sings, and prints what came of all three.

const fs = require('node:fs');
const vm = require('node:vm');

const [script, address] = process.argv.slice(2);
const asPrinted = "'https://your-api-url";
const source = fs.readFileSync(script, 'utf8').replaceAll(asPrinted, `'${address}`).replaceAll('`https://your-api-url', `\`${address}`);

const player = new Promise((found) => {
  globalThis.document = {
    getElementById: (id) => ({ set src(link) { found({ id, src: link }); } }),
  };
});
globalThis.api = address;
vm.runInThisContext(source, { filename: script });

(async () => {
  const told = { player: await player };
  told.task = await vm.runInThisContext("generateAudioAsync('calm piano', { duration: 1, format: 'ogg' })");
  console.log(JSON.stringify(told));
  told.refused = await vm
    .runInThisContext("generateAudioAsync('nobody sings this', { modelSize: 'medium' })")
    .then(() => 'completed', (error) => error.message);
  console.log(JSON.stringify(told));
})();
