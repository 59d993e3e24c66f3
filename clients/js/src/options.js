// What both clients are made with: the server's address, time limits, retries.

const DEFAULTS = {
  baseUrl: 'http://localhost:8000/api/v1',
  timeoutMs: 60_000,
  maxRetries: 4,
  maxRetryWaitMs: 60_000,
  streamPatienceMs: 120_000,
};

/** The options that are given, the others' defaults, and of `baseUrl` the server's root. */
export function withDefaults(options) {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const all = { ...DEFAULTS, ...given };
  return { ...all, baseUrl: rootOf(all.baseUrl) };
}

/** The server's address, of one that may lead to the document's /api/v1. */
function rootOf(baseUrl) {
  let url;
  try {
    url = new URL(baseUrl, globalThis.location?.href);
  } catch {
    throw new TypeError(`baseUrl ${JSON.stringify(baseUrl)} is no address; send one such as ${DEFAULTS.baseUrl}`);
  }
  return (url.origin + url.pathname).replace(/\/+$/, '').replace(/\/api\/v1$/, '');
}
