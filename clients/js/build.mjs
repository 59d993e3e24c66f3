// dist/index.cjs out of src: the same modules in one file, for `require`, which older Nodes refuse for ES modules.
// Owns no code of the package; knows the three forms of import and export that src uses, and stops at any other.

import { mkdir, readFile, writeFile } from 'node:fs/promises';

const SRC = new URL('./src/', import.meta.url);
const DIST = new URL('./dist/', import.meta.url);
const IMPORT = /^import \{([^}]*)\} from '\.\/(\w+)\.js';$/gm;
const EXPORT = /^export ((?:async )?(?:class|function\*?|const)) (\w+)/gm;

const written = new Map();

/** The module as a function that runs once and returns what it exports; those it imports come first. */
async function write(name) {
  if (written.has(name)) return;
  let text = await readFile(new URL(`${name}.js`, SRC), 'utf8');
  for (const [, , other] of text.matchAll(IMPORT)) await write(other);
  const exported = [...text.matchAll(EXPORT)].map(([, , what]) => what);
  text = text.replace(IMPORT, 'const {$1} = $2_;').replace(EXPORT, '$1 $2');
  const left = text.match(/^(?:import|export)\b.*/m);
  if (left) throw new Error(`src/${name}.js: build.mjs does not know ${left[0]}`);
  written.set(name, `const ${name}_ = (() => {\n${text}\nreturn { ${exported.join(', ')} };\n})();\n`);
}

const index = await readFile(new URL('index.js', SRC), 'utf8');
const shown = [...index.matchAll(/^export \{([^}]*)\} from '\.\/(\w+)\.js';$/gm)].filter(([line]) => !/ as /.test(line));
for (const [, , name] of shown) await write(name);
const listed = shown.map(([, names, name]) => `const {${names}} = ${name}_;\n`).join('');
const all = shown.flatMap(([, names]) => names.split(',').map((one) => one.trim()).filter(Boolean));
const end = `module.exports = Object.assign(MusicGenAPI, { default: MusicGenAPI, ${all.join(', ')} });\n`;

await mkdir(DIST, { recursive: true });
const head = "// Written by build.mjs from src/. For require(); import() and browsers read src/ itself.\n'use strict';\n\n";
await writeFile(new URL('index.cjs', DIST), head + [...written.values()].join('\n') + '\n' + listed + end);
