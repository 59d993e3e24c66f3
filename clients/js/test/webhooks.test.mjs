import assert from 'node:assert/strict';
import { test } from 'node:test';

import { WebhookVerificationError, verifyWebhook } from 'musicgen-api';

const { body, headers, secrets } = JSON.parse(process.env.WEBHOOK); // signed by the server's own code
const OTHER = 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
const SIGNED = { body, headers, secret: secrets[0] };

function refused(change, code) {
  return assert.rejects(verifyWebhook({ ...SIGNED, ...change }), (error) => {
    assert.ok(error instanceof WebhookVerificationError);
    assert.equal(error.code, code);
    return true;
  });
}

test('a webhook of the server is trusted, as text or bytes, with headers of any kind', async () => {
  const shouted = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), value]));
  for (const change of [{}, { body: Buffer.from(body) }, { headers: new Headers(headers) }, { headers: shouted }]) {
    assert.equal((await verifyWebhook({ ...SIGNED, ...change })).type, 'task.completed');
  }
});

test('either secret is enough while one replaces the other', async () => {
  for (const secret of [secrets[1], [OTHER, secrets[1]], `${OTHER}, ${secrets[0]}`, secrets[0].slice(6)]) {
    assert.equal((await verifyWebhook({ ...SIGNED, secret })).data.task_id, 'a');
  }
});

test('another secret, another body, another id or time are refused', async () => {
  await refused({ secret: OTHER }, 'NO_MATCH');
  await refused({ body: body.replace('"a"', '"b"') }, 'NO_MATCH');
  await refused({ headers: { ...headers, 'webhook-id': 'msg_b' } }, 'NO_MATCH');
  const later = String(Number(headers['webhook-timestamp']) + 1);
  await refused({ headers: { ...headers, 'webhook-timestamp': later } }, 'NO_MATCH');
  await refused({ headers: { ...headers, 'webhook-signature': 'v1,%%% v2,AAAA v1' } }, 'NO_MATCH');
});

test('an old one, one of the future and one without a signature are refused', async () => {
  const at = Number(headers['webhook-timestamp']);
  for (const timestamp of [at - 4000, at + 4000, 'now']) {
    await refused({ headers: { ...headers, 'webhook-timestamp': String(timestamp) } }, 'TIMESTAMP');
  }
  const { 'webhook-signature': _, ...unsigned } = headers;
  await refused({ headers: unsigned }, 'MISSING_HEADER');
});

test('a secret that is none is the programmer’s fault, not the sender’s', async () => {
  for (const secret of ['', undefined, 'whsec_', 'whsec_%%']) {
    await assert.rejects(verifyWebhook({ ...SIGNED, secret }), TypeError);
  }
});
