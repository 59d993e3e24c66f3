// node generate.mjs OPENAPI_JSON SCHEMA_TS: writes the types of the description, files and audio as Blob.
import { readFile, writeFile } from 'node:fs/promises';
import openapiTS, { astToString } from 'openapi-typescript';
import ts from 'typescript';

const [description, target] = process.argv.slice(2);
const blob = ts.factory.createTypeReferenceNode(ts.factory.createIdentifier('Blob'));
const types = await openapiTS(JSON.parse(await readFile(description, 'utf8')), {
  transform: (schema) => (schema.format === 'binary' ? blob : undefined),
});
await writeFile(target, astToString(types));
