// The check of a webhook's signature, as the Standard Webhooks specification has it, with WebCrypto. Knows no server.

import { joined } from './bytes.js';
import { WebhookVerificationError } from './errors.js';

const PREFIX = 'whsec_';
const TOLERANCE_S = 300;
const NAMES = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];

/** The event that the body tells: { type, timestamp, data }. Raises WebhookVerificationError.
 *
 * `body` is the text or the bytes as they came, not parsed. `headers` is a Headers, or Node's `request.headers`.
 * `secret` is one or several (a list, or with commas): one of them must have signed it.
 */
export async function verifyWebhook({ body, headers, secret, toleranceS = TOLERANCE_S }) {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body;
  const [id, timestamp, signatures] = NAMES.map((name) => headerOf(headers, name));
  refuseOld(timestamp, toleranceS);
  const signed = joined(new TextEncoder().encode(`${id}.${timestamp}.`), bytes);
  for (const key of await keysOf(secret)) {
    for (const signature of signatures.split(' ')) {
      const [version, value] = signature.split(',', 2);
      const given = version === 'v1' && decoded(value ?? '');
      if (given && (await crypto.subtle.verify('HMAC', key, given, signed))) return parsed(bytes);
    }
  }
  throw refusal('NO_MATCH', 'no signature is by this secret over this body; give the body as it came, unparsed');
}

function headerOf(headers, name) {
  const get = (wanted) => headers.get?.(wanted) ?? headers[wanted];
  const value = get(name) ?? Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  if (!value) throw refusal('MISSING_HEADER', `the header ${name} is missing`);
  return String(value);
}

function refuseOld(timestamp, toleranceS) {
  const offS = /^\d+$/.test(timestamp) ? Math.abs(Date.now() / 1000 - Number(timestamp)) : Infinity;
  if (offS > toleranceS) throw refusal('TIMESTAMP', `webhook-timestamp ${timestamp} is not within ${toleranceS} s of now`);
}

async function keysOf(secret) {
  const secrets = (Array.isArray(secret) ? secret : String(secret ?? '').split(',')).map((one) => one.trim());
  const raw = secrets.map((one) => decoded(one.startsWith(PREFIX) ? one.slice(PREFIX.length) : one));
  if (raw.some((bytes) => !bytes?.length)) throw new TypeError(`secret must be ${PREFIX} and base64`);
  const hmac = { name: 'HMAC', hash: 'SHA-256' };
  return Promise.all(raw.map((bytes) => crypto.subtle.importKey('raw', bytes, hmac, false, ['verify'])));
}

/** Of base64; null when it is none. */
function decoded(text) {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

function parsed(bytes) {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw refusal('NO_JSON', 'the body is signed, but no JSON');
  }
}

function refusal(code, message) {
  return new WebhookVerificationError(message, { code });
}
