/** The types of the package. Requests (requests.d.ts) and responses (responses.d.ts) carry the API's own field names. */

import type { MixField, MusicRequest, OutputFormat, PartField, PieceField, PlainRequest } from './requests.js';
import type { BatchState, Catalog, Fingerprint, Health, Model, Part, TaskMix, Share, TaskEvent, TaskState, WebhookPayload } from './responses.js';
import type {
  AdminKeyPage, AdminQueue, AdminTask, AdminTaskPage, AdminTaskStory, AdminWorker, AuditPage, CreatedKey, DeadLetter,
  DisabledKey, MinutePoint, WorkerDrain,
} from './responses.js';

export type * from './requests.js';
export type * from './responses.js';

export interface ClientOptions {
  /** Sent as `Authorization: Bearer`. A server without keys needs none. */
  apiKey?: string;
  /** The server, with or without `/api/v1`. Default: `http://localhost:8000/api/v1`. */
  baseUrl?: string;
  /** More headers for every call. */
  headers?: Record<string, string>;
  /** In place of the global one. */
  fetch?: typeof globalThis.fetch;
  /** How long one try may take; of audio and events, until they begin. Default: 60000. */
  timeoutMs?: number;
  /** How often a call that may succeed later is tried again. Default: 4. */
  maxRetries?: number;
  /** A server that asks for a longer wait than this is not waited for. Default: 60000. */
  maxRetryWaitMs?: number;
  /** For how long a stream of events that breaks is opened again. Default: 120000. */
  streamPatienceMs?: number;
  /** `server`: audio comes through the server also where it lies on S3, whose bucket then need not name this page. */
  audioVia?: 'store' | 'server';
}

export interface Abortable {
  signal?: AbortSignal;
}

export interface FetchOptions extends Abortable {
  /** Converted by the server from the clip that it keeps; left out, that one. */
  format?: OutputFormat;
}

export interface SubmitOptions extends Abortable {
  /** Two submissions with one key are one task. Drawn for each call when left out. */
  idempotencyKey?: string;
}

export interface Instrument extends Pick<MusicRequest, PartField> {
  prompt: string;
  /** Whether it is conditioned on the lead part's melody, where the model can. */
  follow?: boolean;
}

export interface MultiInstrumentRequest extends Pick<PlainRequest, PieceField> {
  /** Each instrument's prompt, by its name. */
  instruments: Record<string, string | Instrument>;
  mix_preset?: string;
  /** Decibels. */
  levels?: Record<string, number>;
  /** From -1 (left) to 1 (right). */
  panning?: Record<string, number>;
  effects?: Record<string, ({ type: string } & Record<string, unknown>)[]>;
}

/** What is left out is as the piece has it; null is the default, such as no preset. */
export type RemixRequest = { [Field in MixField]?: PlainRequest[Field] | null } & {
  mix_preset?: string | null;
  /** Decibels; -96 leaves an instrument out. */
  levels?: Record<string, number> | null;
  /** From -1 (left) to 1 (right). */
  panning?: Record<string, number> | null;
  effects?: Record<string, ({ type: string } & Record<string, unknown>)[]> | null;
};

export interface PollOptions extends Abortable {
  /** Whole seconds, at most 30. */
  wait?: number;
  /** The stage that is known: the response for a task that has another one comes at once. */
  since?: string;
}

export interface PageOptions extends Abortable {
  /** At most 100. Default: 20. */
  limit?: number;
  offset?: number;
  /** Words that title and prompt have, all of them; case and accents do not count. */
  q?: string;
  /** Favourites alone. */
  favourite?: boolean;
}

export interface TaskPage {
  /** Each with its `state`. */
  tasks: Task[];
  /** Of all pages. */
  total: number;
}

export interface WaitOptions extends Abortable {
  onProgress?: (event: TaskEvent) => void;
}

export interface BatchWaitOptions extends Abortable {
  onProgress?: (state: BatchState) => void;
  /** Default: 1000. */
  pollEveryMs?: number;
}

export class MusicGenAPI {
  constructor(options?: ClientOptions);
  /** Submits and waits for the clip. An aborted signal cancels the task. */
  generate(request: MusicRequest, options?: SubmitOptions & WaitOptions): Promise<Clip>;
  submit(request: MusicRequest, options?: SubmitOptions): Promise<Task>;
  /** The sound while it is made. Leaving the loop or an aborted signal cancels the task. */
  stream(request: MusicRequest, options?: SubmitOptions): AudioStream;
  /** Submits a piece for several instruments and waits for the mix. An aborted signal cancels all of it. */
  multiInstrument(request: MultiInstrumentRequest, options?: SubmitOptions & WaitOptions): Promise<Mix>;
  /** The mix's task. */
  submitMultiInstrument(request: MultiInstrumentRequest, options?: SubmitOptions): Promise<Task>;
  /** Up to 100 requests, accepted all or none. */
  submitBatch(requests: MusicRequest[], options?: SubmitOptions): Promise<Batch>;
  /** One request under `count` (2 to 8) consecutive seeds. */
  variations(request: MusicRequest, count: number, options?: SubmitOptions): Promise<Batch>;
  /** Submits and waits for all. An aborted signal cancels the batch. */
  generateBatch(
    requests: MusicRequest[],
    options?: SubmitOptions & BatchWaitOptions,
  ): Promise<PromiseSettledResult<Clip>[]>;
  task(id: string): Task;
  batch(id: string): Batch;
  /** The latest tasks, the newest first. */
  recent(options?: PageOptions): Promise<TaskPage>;
  /** What there is to choose from, and what each can do. */
  catalog(options?: Abortable): Promise<Catalog>;
  models(options?: Abortable): Promise<Model[]>;
  health(options?: Abortable): Promise<Health>;
  usage(options?: Abortable): Promise<Record<string, unknown>>;
}
export default MusicGenAPI;

export interface TaskFilter {
  status?: AdminTask['status'];
  model?: string;
  account?: string;
  /** Words of title and prompt, whatever case and accents, or how the id begins. */
  q?: string;
  /** UNIX seconds: submitted then or later. */
  since?: number;
  limit?: number;
  /** The `next_before` of the page before. */
  before?: number;
}

export interface KeyRequest {
  /** Whose it is. */
  name: string;
  /** An operator's key, which opens /admin and nothing else. */
  admin?: boolean;
  /** Whose tasks and limits to share. Default: its own. */
  account?: string;
  rpm?: number | 'none';
  rpd?: number | 'none';
  concurrent?: number | 'none';
  monthly_bytes?: number | 'none';
}

/** What operators ask: a key with the scope admin, or none at the machine of a server without keys. */
export class MusicGenAdmin {
  constructor(options?: ClientOptions);
  workers(options?: Abortable): Promise<AdminWorker[]>;
  /** It claims nothing more; what it runs it finishes. */
  drain(worker: string, options?: Abortable): Promise<WorkerDrain>;
  undrain(worker: string, options?: Abortable): Promise<WorkerDrain>;
  queue(options?: Abortable): Promise<AdminQueue>;
  /** The last hour minute by minute, the oldest first. */
  charts(options?: Abortable & { model?: string }): Promise<MinutePoint[]>;
  /** All accounts' tasks, newest first. */
  tasks(options?: Abortable & TaskFilter): Promise<AdminTaskPage>;
  story(taskId: string, options?: Abortable): Promise<AdminTaskStory>;
  cancel(taskId: string, options?: Abortable): Promise<AdminTask>;
  deadLetters(options?: Abortable): Promise<DeadLetter[]>;
  /** Runs a copy of a failed task, under the same seed; its id. */
  retry(taskId: string, options?: Abortable): Promise<string>;
  /** Runs a copy of a dead letter, under the same seed; its id. */
  requeue(taskId: string, options?: Abortable): Promise<string>;
  drop(taskId: string, options?: Abortable): Promise<void>;
  keys(options?: Abortable & { limit?: number; offset?: number }): Promise<AdminKeyPage>;
  /** The key is in this answer and never again. */
  createKey(request: KeyRequest, options?: Abortable): Promise<CreatedKey>;
  disableKey(id: string, options?: Abortable & { cancelJobs?: boolean }): Promise<DisabledKey>;
  audit(options?: Abortable & { limit?: number; before?: string }): Promise<AuditPage>;
}

export class Task implements AsyncIterable<TaskEvent> {
  private constructor();
  readonly id: string;
  /** As it was received last; null before. */
  state: TaskState | null;
  /** With `wait`, when its stage changes, or after so many seconds; at once from a server that cannot wait. */
  poll(options?: PollOptions): Promise<TaskState>;
  events(options?: Abortable & { lastEventId?: string }): AsyncGenerator<TaskEvent, void, void>;
  [Symbol.asyncIterator](): AsyncGenerator<TaskEvent, void, void>;
  /** The sound while it is made, of a task submitted with `stream: true`. Leaving the loop leaves the task alone. */
  listen(options?: Abortable): AsyncGenerator<AudioChunk, void, void>;
  /** The same for an audio element; null of a task without, or that had ended when it was asked last. */
  streamUrl(format?: 'wav' | 'mp3' | 'ogg'): string | null;
  /** By long polls; with `onProgress` by its events. An aborted signal ends the waiting, not the task. */
  wait(options?: WaitOptions): Promise<Clip>;
  cancel(options?: Abortable): Promise<TaskState>;
  /** Mixes a piece again from its kept stems, without making music anew. The new mix's task. */
  remix(changes?: RemixRequest, options?: SubmitOptions): Promise<Task>;
  /** How a piece is mixed; with `preset` (null: none), how it would be by that alone. */
  mix(options?: Abortable & { preset?: string | null }): Promise<TaskMix>;
  /** Another title (null: none), or whether it is a favourite, which is kept until it is none. */
  edit(changes: { title?: string | null; favourite?: boolean }, options?: Abortable): Promise<TaskState>;
  /** A link by which anybody can hear it without a key; seconds from 3600 to 2592000, a week when left out. */
  share(options?: Abortable & { expiresInS?: number }): Promise<Share>;
  shares(options?: Abortable): Promise<Share[]>;
  /** The link, or its `share_id`. */
  withdraw(share: Share | string, options?: Abortable): Promise<void>;
  /** Removes all that the server keeps of it. */
  purge(options?: Abortable): Promise<void>;
}

export class Clip {
  protected constructor();
  readonly task_id: string;
  readonly status: 'completed';
  /** Whole. It may run out; `blob`, `bytes`, `stream` and `save` get a new one. */
  readonly audio_url: string;
  readonly duration: number;
  readonly metadata: {
    prompt: string;
    model: string;
    seed: number;
    format: OutputFormat;
    sample_rate: number;
    channels: number;
    bytes: number;
    sha256: string;
    generation_time: number;
    filename: string;
    fingerprint: Fingerprint;
    warnings: string[];
  };
  blob(options?: FetchOptions): Promise<Blob>;
  bytes(options?: FetchOptions): Promise<Uint8Array>;
  stream(options?: FetchOptions): Promise<ReadableStream<Uint8Array>>;
  /** Writes the file; in a browser, into the downloads. Gives its path. */
  save(path?: string, options?: FetchOptions): Promise<string>;
}

export class Mix extends Clip {
  private constructor();
  readonly metadata: Clip['metadata'] & {
    tempo_bpm: number;
    key: string;
    mix_preset: string | null;
    /** The earlier piece whose stems are mixed again. */
    mix_of: string | null;
    /** LUFS. */
    loudness: number;
    parts: Part[];
  };
  /** The clip of each instrument, by its name. */
  stems(options?: Abortable): Promise<Record<string, Clip>>;
}

export class AudioChunk {
  private constructor();
  /** 16 bits each, the channels interleaved: what the file holds. */
  readonly samples: Int16Array;
  readonly sampleRate: number;
  readonly channels: number;
  /** Samples of each channel. */
  readonly frames: number;
  /** Where in the clip it begins. */
  readonly startS: number;
  readonly durationS: number;
  /** The task was begun anew and sounds otherwise: forget all chunks before this one. */
  readonly restart: boolean;
  /** One channel's samples from -1 to 1, as an AudioBuffer takes them. */
  channel(number?: number): Float32Array;
}

/** To be iterated once. */
export class AudioStream implements AsyncIterable<AudioChunk> {
  private constructor();
  /** Null until the request is accepted. */
  readonly task: Task | null;
  [Symbol.asyncIterator](): AsyncGenerator<AudioChunk, void, void>;
  /** The finished file, once the stream has been iterated. */
  clip(options?: WaitOptions): Promise<Clip>;
}

export class Batch {
  private constructor();
  readonly id: string;
  state: BatchState | null;
  /** In the order of the requests; none of a batch that was only named. */
  readonly tasks: Task[];
  poll(options?: Abortable): Promise<BatchState>;
  /** In the order of the requests, as Promise.allSettled gives them. */
  wait(options?: BatchWaitOptions): Promise<PromiseSettledResult<Clip>[]>;
  cancel(options?: Abortable): Promise<BatchState>;
}

export class MusicGenError extends Error {
  constructor(message: string, options?: { code?: string; details?: Record<string, unknown>; cause?: unknown });
  code: string;
  details: Record<string, unknown>;
  retryable: boolean;
}
export class ConnectionError extends MusicGenError {}
export class APIError extends MusicGenError {
  constructor(
    message: string,
    options: {
      status: number;
      retryAfterMs?: number | null;
      code?: string;
      details?: Record<string, unknown>;
      cause?: unknown;
    },
  );
  status: number;
  retryAfterMs: number | null;
}
export class InvalidRequestError extends APIError {
  get fields(): { field: string; value: string; message: string; code: string }[];
}
export class AuthenticationError extends APIError {}
export class PermissionDeniedError extends APIError {}
export class NotFoundError extends APIError {}
export class ConflictError extends APIError {}
export class RateLimitError extends APIError {}
export class QueueFullError extends RateLimitError {}
export class UnavailableError extends APIError {}
export class TaskFailedError extends MusicGenError {
  constructor(task: TaskState);
  task: TaskState;
}
export class TaskCancelledError extends MusicGenError {
  constructor(task: TaskState);
  task: TaskState;
}
export class WebhookVerificationError extends MusicGenError {}

/** Raises WebhookVerificationError for one that must not be trusted. */
export function verifyWebhook<Payload = WebhookPayload>(webhook: {
  /** As it came, not parsed. */
  body: string | Uint8Array;
  headers: Headers | Record<string, string | string[] | undefined>;
  /** One of them must have signed it. */
  secret: string | string[];
  /** Default: 300. */
  toleranceS?: number;
}): Promise<Payload>;
