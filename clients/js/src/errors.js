// Every error this package raises on purpose, as one tree. An abort is none of them: it rejects with the signal's reason.
//
//   MusicGenError
//   ├── ConnectionError           no answer: the network, a time limit, or something that is not this API
//   ├── APIError                  the API answered with an error; has `status`
//   │   ├── InvalidRequestError   400, 413, 415, ...: something to mend; `fields` lists each bad field
//   │   ├── AuthenticationError   401: no API key, or a wrong one
//   │   ├── PermissionDeniedError 403: a right key that may not do that
//   │   ├── NotFoundError         404: no such task or batch, or it was purged
//   │   ├── ConflictError         409, 422: the task has ended; the Idempotency-Key belongs to another request
//   │   ├── RateLimitError        429: a limit of the key is reached
//   │   │   └── QueueFullError    429 QUEUE_FULL: too many jobs wait
//   │   └── UnavailableError      502, 503, 504: a part of the service is away
//   ├── TaskFailedError           the task ended without music; has `task`
//   ├── TaskCancelledError        somebody cancelled it; has `task`
//   └── WebhookVerificationError  a webhook that must not be trusted

export class MusicGenError extends Error {
  name = 'MusicGenError';
  /** For programs, such as INVALID_PROMPT. */
  code;
  details;
  /** Whether the same call may succeed later. This package has then tried as often as `maxRetries` says. */
  retryable = false;

  constructor(message, { code = 'ERROR', details = {}, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }
}

export class ConnectionError extends MusicGenError {
  name = 'ConnectionError';
  retryable = true;
}

export class APIError extends MusicGenError {
  name = 'APIError';
  status;
  /** What the server's Retry-After asked for; null when it did not. */
  retryAfterMs;

  constructor(message, { status, retryAfterMs = null, ...rest }) {
    super(message, rest);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.retryable = [408, 429, 502, 503, 504].includes(status);
  }
}

export class InvalidRequestError extends APIError {
  name = 'InvalidRequestError';

  /** One for each bad field: `field`, `value`, `message`, `code`. */
  get fields() {
    return this.details.fields ?? [];
  }
}

export class AuthenticationError extends APIError {
  name = 'AuthenticationError';
}

export class PermissionDeniedError extends APIError {
  name = 'PermissionDeniedError';
}

export class NotFoundError extends APIError {
  name = 'NotFoundError';
}

export class ConflictError extends APIError {
  name = 'ConflictError';
}

export class RateLimitError extends APIError {
  name = 'RateLimitError';
}

export class QueueFullError extends RateLimitError {
  name = 'QueueFullError';
}

export class UnavailableError extends APIError {
  name = 'UnavailableError';
}

export class TaskFailedError extends MusicGenError {
  name = 'TaskFailedError';
  task;

  constructor(task) {
    super(task.error || `the task ${task.task_id} failed`, { code: task.error_code, details: task.error_details });
    this.task = task;
  }
}

export class TaskCancelledError extends MusicGenError {
  name = 'TaskCancelledError';
  task;

  constructor(task) {
    super(`the task ${task.task_id} was cancelled`, { code: 'CANCELLED' });
    this.task = task;
  }
}

export class WebhookVerificationError extends MusicGenError {
  name = 'WebhookVerificationError';
}

const KINDS = {
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  422: ConflictError,
  429: RateLimitError,
  502: UnavailableError,
  503: UnavailableError,
  504: UnavailableError,
};

/** The error of a response, whatever stands in its body: a proxy on the way may have written it. */
export async function errorOf(response) {
  const text = await response.text();
  const { code, message, details } = faultIn(parsed(text));
  const status = response.status;
  const other = status < 500 ? InvalidRequestError : APIError;
  const kind = code === 'QUEUE_FULL' ? QueueFullError : (KINDS[status] ?? other);
  return new kind(message || `HTTP ${status}: ${text.slice(0, 200) || response.statusText}`, {
    status,
    code: code ?? `HTTP_${status}`,
    details: details ?? {},
    retryAfterMs: retryAfterMs(response.headers.get('Retry-After')),
  });
}

/** A refused poll has its error in the fields of a failed task. */
function faultIn(body) {
  const error = body?.error;
  if (typeof error === 'object' && error !== null) return error;
  return { code: body?.error_code, message: error, details: body?.error_details };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Of seconds or a date. */
function retryAfterMs(value) {
  if (!value) return null;
  const ms = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}
