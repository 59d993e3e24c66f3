// Written by tools/generate_client_types.py from the API's description; do not edit.

/** Say what a seed's promise holds within: same request, same seed, same fingerprint, same audio. */
export type Fingerprint = {
  checkpoint: string;
  engine: string;
  precision: string;
  device: string;
};

/** Describe the audio of a completed task. */
export type ClipResult = {
  /** The task whose audio it begins with; null for an upload */
  continue_from?: string | null;
  /** Seconds of the duration that are that audio, to within 0.02 */
  continued_seconds?: number;
  /** Seconds of the melody */
  melody_seconds?: number;
  /** Seconds of continue_audio, before continue_seconds cut it */
  beginning_seconds?: number;
  success: true;
  filename: string;
  format: 'wav' | 'mp3' | 'ogg' | 'flac' | 'opus' | 'm4a' | 'aac';
  /** Seconds */
  duration: number;
  /** Hz */
  sample_rate: number;
  channels: number;
  bytes: number;
  sha256: string;
  generation_time: number;
  fingerprint: Fingerprint;
  warnings: string[];
};

/** Describe the audio of a completed mix, and of its parts. */
export type MixResult = {
  /** The task whose audio it begins with; null for an upload */
  continue_from?: string | null;
  /** Seconds of the duration that are that audio, to within 0.02 */
  continued_seconds?: number;
  /** Seconds of the melody */
  melody_seconds?: number;
  /** Seconds of continue_audio, before continue_seconds cut it */
  beginning_seconds?: number;
  success: true;
  filename: string;
  format: 'wav' | 'mp3' | 'ogg' | 'flac' | 'opus' | 'm4a' | 'aac';
  /** Seconds */
  duration: number;
  /** Hz */
  sample_rate: number;
  channels: number;
  bytes: number;
  sha256: string;
  generation_time: number;
  fingerprint: Fingerprint;
  warnings: string[];
  audio_url: string;
  /** Instrument -> the link to its part's audio */
  stems: Record<string, string>;
};

/** Describe the part of one instrument: a task of its own. Its status is gone once its record is. */
export type Part = {
  name: string;
  task_id: string;
  status: 'processing' | 'completed' | 'failed' | 'cancelled' | 'gone';
  /** Percent */
  percent?: number;
  prompt?: string;
  seed?: number;
  audio_url?: string;
  /** DB that it is mixed at; -96 leaves it out */
  level?: number;
  /** From -1 (left) to 1 (right) */
  panning?: number;
  /** That it goes through, first to last */
  effects?: Record<string, unknown>[];
};

/** Describe a task as it stands now. */
export type TaskState = {
  task_id: string;
  status: 'processing' | 'completed' | 'failed' | 'cancelled';
  stage: string;
  /** Percent */
  progress: number;
  /** Steps */
  current: number;
  /** Steps */
  total: number;
  /** How many tasks are before it in the queue */
  position: number | null;
  /** Seconds until its end; null while it is unknown */
  eta_s: number | null;
  model: string;
  seed: number;
  prompt: string;
  output_format: 'wav' | 'mp3' | 'ogg' | 'flac' | 'opus' | 'm4a' | 'aac';
  client_id: string | null;
  attempts: number;
  /** UNIX seconds */
  created_at: number;
  /** Seconds */
  queue_time: number;
  /** Seconds */
  run_time: number | null;
  /** Seconds */
  total_time: number;
  status_url: string;
  /** The task whose audio it begins with; null for an upload */
  continue_from?: string | null;
  /** Seconds of the duration that are that audio, to within 0.02 */
  continued_seconds?: number;
  /** Seconds of the melody */
  melody_seconds?: number;
  /** Seconds of continue_audio, before continue_seconds cut it */
  beginning_seconds?: number;
  /** The fields by which POST /tasks makes it again; a recording that came with it is none */
  request: Record<string, unknown>;
  title?: string;
  /** It is kept until it is none any more */
  favourite?: true;
  batch_id?: string;
  part?: string;
  /** The task of the whole piece */
  part_of?: string;
  success?: true;
  filename?: string;
  format?: 'wav' | 'mp3' | 'ogg' | 'flac' | 'opus' | 'm4a' | 'aac';
  /** Seconds */
  duration?: number;
  /** Hz */
  sample_rate?: number;
  channels?: number;
  bytes?: number;
  sha256?: string;
  generation_time?: number;
  fingerprint?: Fingerprint;
  /** At once what was odd about an upload; in the end all */
  warnings?: string[];
  audio_url?: string;
  result?: ClipResult | MixResult;
  error?: string;
  error_code?: string;
  error_details?: Record<string, unknown>;
  tempo_bpm?: number;
  key?: string;
  /** Seconds at which the earlier task's audio is cut */
  continue_at?: number;
  mix_preset?: string | null;
  /** The earlier piece whose stems are mixed again */
  mix_of?: string | null;
  /** LUFS of the mix */
  loudness?: number;
  parts?: Part[];
  /** Signed once keys exist, for EventSource */
  events_url?: string;
  /** Of one with stream: true; signed as events_url */
  stream_url?: string;
};

/** Stand for a task of a batch whose record is gone: how it ended is still known. */
export type GoneTask = {
  task_id: string;
  status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';
  gone: true;
};

/** Say how the part of one instrument is mixed. */
export type PartMix = {
  name: string;
  /** Level in dB; -96 leaves it out */
  level: number;
  /** From -1 (left) to 1 (right) */
  panning: number;
  /** That it goes through, first to last */
  effects: Record<string, unknown>[];
};

/** Say how a piece is mixed, or would be by another preset alone. */
export type TaskMix = {
  task_id: string;
  mix_preset: string | null;
  /** LUFS of the mix */
  loudness: number;
  parts: PartMix[];
  /** The effects that the sum goes through, first to last */
  bus: Record<string, unknown>[];
};

/** Describe a link that shares a task: whoever has it can hear that task, without a key. */
export type Share = {
  share_id: string;
  task_id: string;
  /** A page with a player; its audio is below it */
  url: string;
  /** UNIX seconds */
  created_at: number;
  /** UNIX seconds */
  expires_at: number;
};

/** Count the tasks of a batch by status. */
export type BatchCounts = {
  queued: number;
  running: number;
  completed: number;
  failed: number;
  cancelled: number;
};

/** Describe a batch as it stands now. `progress` is the percent done over all, each by its seconds of music. */
export type BatchState = {
  batch_id: string;
  status: 'processing' | 'completed' | 'partial' | 'failed' | 'cancelled';
  counts: BatchCounts;
  total: number;
  /** Percent */
  progress: number;
  /** Seconds until its end; null while it is unknown */
  eta_s: number | null;
  /** UNIX seconds */
  created_at: number;
  status_url: string;
  tasks: (TaskState | GoneTask)[];
};

export type Model = {
  name: string;
  size: string;
  quality: string;
  available: boolean;
};

/** List words that a model takes up well in a prompt, by what they decide, and whole prompts. */
export type Vocabulary = {
  /** What it can make, in a sentence */
  summary: string;
  instruments: string[];
  moods: string[];
  genres: string[];
  tempi: string[];
  keys: string[];
  drums: string[];
  examples: string[];
};

/** Say how some live worker decodes a model, and why by no faster way. */
export type ModelRunner = {
  /** Graphs, native, eager or audiocraft */
  runner: string;
  reason: string | null;
};

/** Describe one model; `workers` of the live ones serve it. */
export type CatalogModel = {
  name: string;
  size: string;
  quality: string;
  melody: boolean;
  stereo: boolean;
  max_duration: number;
  workers: number;
  /** How its live workers decode, each way once */
  runners: ModelRunner[];
  /** SERVED_MODELS names it: accepted without a live worker too */
  promised: boolean;
  /** Tasks that wait for it */
  queued: number;
  /** Seconds until 8 s of music that were asked for now are there; null if unknown */
  eta_s: number | null;
  /** Of its weights, by its SPDX name; null if unknown */
  licence: string | null;
  vocabulary: Vocabulary | null;
};

/** List every known model, and how many live workers serve it. */
export type Catalog = {
  models: CatalogModel[];
  default: string;
  aliases: Record<string, string>;
};

/** Describe the machine that this process runs on. */
export type Machine = {
  cpu_count: number | null;
  load: number[];
  memory_total_mb: number;
  memory_available_mb: number;
  disk_free_mb: number;
};

/** Describe one live worker. `fault`: why its engine can make nothing any more. */
export type LiveWorker = {
  worker: string;
  model: string;
  checkpoint: string;
  size: string;
  digest: string;
  engine: string;
  precision: string;
  device: string;
  sample_rate_hz: number;
  channels: number;
  max_duration_s: number;
  melody: boolean;
  slots: number;
  version: string;
  /** UNIX seconds */
  started_at: number;
  revision: string | null;
  /** By an operator: it claims nothing */
  drained: boolean;
  /** How it decodes: graphs, native, eager or audiocraft */
  runner: string;
  /** Why it decodes by no faster way; null if it does */
  runner_reason: string | null;
  fault: string | null;
};

/** Name the layers of the confinement of uploads' decoders this machine lacks, and why. */
export type DecoderSandbox = {
  missing: Record<string, string>;
};

/** Broker, storage, workers, queues and the machine. What only the broker knows is absent while it is away. */
export type Health = {
  status: 'healthy' | 'unhealthy';
  version: string;
  faults: Record<string, string>;
  system: Machine;
  models_loaded?: string[];
  workers?: LiveWorker[];
  queues?: Record<string, number>;
  running?: number;
  /** Only for callers with a key, once keys exist */
  decoder_sandbox?: DecoderSandbox;
};

/** Describe what is posted to `webhook_url`: the task as it was at the event. */
export type WebhookPayload = {
  type: 'task.started' | 'task.completed' | 'task.failed' | 'task.cancelled';
  /** ISO 8601, of the event */
  timestamp: string;
  data: TaskState;
};

/** Say where the task waits. Without `at`, only its position has changed. */
export type QueuedData = {
  task_id: string;
  at?: number;
  position: number | null;
  eta_s: number | null;
};

/** Say which attempt has begun. */
export type StartedData = {
  task_id: string;
  at: number;
  attempt: number;
};

/** Say how far the attempt has come. */
export type ProgressData = {
  task_id: string;
  at: number;
  /** Percent */
  percent: number;
  step: number;
  steps: number;
  stage: string;
  eta_s: number | null;
};

/** Why the task waits for another attempt: its worker was lost, failed, or left it. */
export type RequeuedData = {
  task_id: string;
  at: number;
  reason: 'lost' | 'failed' | 'left';
  code: string | null;
};

/** Why the end of the task cannot be read: its record was removed. */
export type GoneData = {
  task_id: string;
  message: string;
};

/** Describe a live worker and what it does now. */
export type AdminWorker = {
  worker: string;
  model: string;
  checkpoint: string;
  size: string;
  digest: string;
  engine: string;
  precision: string;
  device: string;
  sample_rate_hz: number;
  channels: number;
  max_duration_s: number;
  melody: boolean;
  slots: number;
  version: string;
  /** UNIX seconds */
  started_at: number;
  revision: string | null;
  /** By an operator: it claims nothing */
  drained: boolean;
  /** How it decodes: graphs, native, eager or audiocraft */
  runner: string;
  /** Why it decodes by no faster way; null if it does */
  runner_reason: string | null;
  fault: string | null;
  /** Task id -> seconds until its lease ends */
  running: Record<string, number>;
  /** Seconds since it last said that it lives */
  seen_s_ago: number;
  /** Seconds of music that one slot made in a second, of late; null: none yet */
  real_time_factor: number | null;
};

/** Say whether the worker claims tasks from now on. */
export type WorkerDrain = {
  worker: string;
  drained: boolean;
};

/** Describe the line of one model. */
export type ModelQueue = {
  model: string;
  /** Priority -> tasks that wait, parked ones included */
  waiting: Record<string, number>;
  /** Of those, beyond what their accounts may run at once */
  parked: number;
  /** Tasks that wait for other tasks, in no line */
  blocked: number;
  running: number;
  /** When the longest waiting one was submitted */
  oldest_at: number | null;
};

/** Count the tasks of one account, over all models. */
export type AccountLoad = {
  account: string;
  waiting: number;
  parked: number;
  running: number;
  /** How many may run at once; null is any number */
  concurrent: number | null;
};

/** Describe all that waits and runs, by model and priority, and by account. */
export type AdminQueue = {
  models: ModelQueue[];
  accounts: AccountLoad[];
};

/** Count what happened in one minute, which began at `at`. */
export type MinutePoint = {
  at: number;
  /** At its end */
  queue_length: number;
  started: number;
  /** Mean wait of those that started; null where none did */
  wait_s: number | null;
  completed: number;
  failed: number;
  cancelled: number;
  /** Seconds of music made */
  audio_s: number;
};

/** Describe one task of any account. */
export type AdminTask = {
  task_id: string;
  status: 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';
  stage: string;
  /** Percent */
  progress: number;
  model: string;
  account: string;
  /** The API key that it was made with */
  key_id: string | null;
  /** The API by which it came */
  source: string;
  priority: string;
  prompt: string;
  /** Seconds of music */
  duration: number;
  attempts: number;
  worker: string | null;
  created_at: number;
  started_at: number | null;
  finished_at: number | null;
  /** Seconds */
  queue_time: number;
  /** Seconds */
  run_time: number | null;
  batch_id: string | null;
  /** The task of the whole piece */
  part_of: string | null;
  /** The failed task that this one runs again, for an operator */
  retry_of: string | null;
  /** The task that runs this one again */
  retried_as: string | null;
  error_code: string | null;
  error: string | null;
};

/** List tasks of all accounts, newest first. At most 2000 are read for one page: it may be short and go on. */
export type AdminTaskPage = {
  tasks: AdminTask[];
  /** Send it as `before` for the next page; null at the end */
  next_before: number | null;
};

/** Say one thing that happened to a task. */
export type StoryEntry = {
  at: number;
  kind: 'event' | 'webhook' | 'operator';
  what: string;
  detail: string;
  /** The attempt that was made last by then; 0 before the first */
  attempt: number;
};

/** Describe one attempt at a task; `outcome` is null while it runs. */
export type TaskAttempt = {
  number: number;
  worker: string;
  started_at: number;
  ended_at: number | null;
  outcome: string | null;
};

/** Describe one request to the receiver of a webhook; `status` is null where there was no response. */
export type DeliveryAttempt = {
  at: number;
  duration_s: number;
  status: number | null;
  error: string | null;
};

/** Describe one event on its way to the receiver. `attempts` are the latest, `attempts_made` counts all. */
export type Delivery = {
  webhook_id: string;
  event: string;
  state: 'pending' | 'delivered' | 'failed' | 'gone';
  happened_at: number;
  attempts_made: number;
  next_attempt_at: number | null;
  attempts: DeliveryAttempt[];
};

/** Tell all that happened to a task, in the order of time. */
export type AdminTaskStory = {
  task: AdminTask;
  story: StoryEntry[];
  attempts: TaskAttempt[];
  deliveries: Delivery[];
};

/** Describe a task whose attempts are used up, as all workers that ran it died; `given_up_at` then. */
export type DeadLetter = {
  given_up_at: number;
  task: AdminTask;
};

/** Give the limits of a key's account; null is no limit. */
export type KeyLimits = {
  rpm: number | null;
  rpd: number | null;
  concurrent: number | null;
  monthly_bytes: number | null;
};

/** Count what a key's account has used, of all its keys. */
export type KeyUse = {
  /** Limited window -> submissions in it */
  submissions: Record<string, number>;
  running: number;
  waiting: number;
  /** Audio given out in this calendar month, UTC */
  month_bytes: number;
};

/** Describe an API key; the key itself is kept nowhere. */
export type AdminKey = {
  id: string;
  name: string;
  scope: 'music' | 'admin';
  account: string;
  disabled: boolean;
  created_at: number;
  limits: KeyLimits;
  use: KeyUse;
};

/** List the keys, the newest first; those of API_KEYS are not among them. */
export type AdminKeyPage = {
  keys: AdminKey[];
  total: number;
  limit: number;
  offset: number;
};

/** Give a new key, this once. */
export type CreatedKey = {
  /** To be sent as X-API-Key or Authorization: Bearer */
  key: string;
  id: string;
  name: string;
  scope: 'music' | 'admin';
  account: string;
  limits: KeyLimits;
};

/** Say which key is disabled, and how many of its waiting tasks were cancelled with it. */
export type DisabledKey = {
  id: string;
  name: string;
  disabled: true;
  cancelled: number;
};

/** Describe one action of an operator. `unknown`: it is under way, or its process ended before it was over. */
export type AuditEntry = {
  id: string;
  at: number;
  actor: string;
  /** The key that it was asked for with */
  key_id: string | null;
  action: string;
  target: string;
  outcome: 'done' | 'refused' | 'failed' | 'unknown';
  detail: string;
};

/** List the actions of operators, the newest first. */
export type AuditPage = {
  entries: AuditEntry[];
  /** Send it as `before` for the next page; null at the end */
  next_before: string | null;
};

export interface EventOf<Type extends string, Data> {
  type: Type;
  /** Null for a position, which is the state of the moment. */
  id: string | null;
  data: Data;
}

export type TaskEvent =
  | EventOf<'queued', QueuedData>
  | EventOf<'started', StartedData>
  | EventOf<'progress', ProgressData>
  | EventOf<'requeued', RequeuedData>
  | EventOf<'completed' | 'failed' | 'cancelled', TaskState>
  | EventOf<'gone', GoneData>;
