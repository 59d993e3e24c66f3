// What the package shows: the client, what it hands out, its errors, and the check of webhooks.

export { MusicGenAPI } from './client.js';
export { MusicGenAdmin } from './admin.js';
export { Clip, Mix } from './clip.js';
export { Task } from './task.js';
export { AudioStream } from './audio_stream.js';
export { AudioChunk } from './chunk_assembler.js';
export { Batch } from './batch.js';
export {
  MusicGenError, ConnectionError, APIError, InvalidRequestError, AuthenticationError, PermissionDeniedError,
  NotFoundError, ConflictError, RateLimitError, QueueFullError, UnavailableError, TaskFailedError, TaskCancelledError,
  WebhookVerificationError,
} from './errors.js';
export { verifyWebhook } from './webhooks.js';
export { MusicGenAPI as default } from './client.js';
