// Written by tools/generate_client_types.py from the fields of a request; do not edit.

import type { Clip, Task } from './index.js';

export type OutputFormat = 'wav' | 'mp3' | 'ogg' | 'flac' | 'opus' | 'm4a' | 'aac';
export type Priority = 'high' | 'normal' | 'low';
export type WebhookEvent = 'started' | 'completed' | 'failed' | 'cancelled';

/** A file; in Node also the path of one. */
export type AudioFile = Blob | ArrayBuffer | Uint8Array | string;

/** All but recordings. */
export interface PlainRequest {
  /** The id of an earlier task, whose audio it begins with */
  continue_from?: string | Clip | Task;
  /** Seconds of its end to go on from, such as 10 */
  continue_seconds?: number;
  /** Seconds of the earlier task to keep, such as 12.5 */
  continue_at?: number;
  /** Whole beats a minute from 40 to 240, such as 94; a tempo that the prompt names comes before it */
  tempo_bpm?: number;
  /** A key such as 'A minor', 'Bb major' or 'F# minor'; one that the prompt names comes before it */
  key?: string;
  /** Text that says what to hear, such as 'slow sad piano in A minor' */
  prompt?: string;
  /** One of GET /models; left out, the default */
  model?: string;
  /** Seconds of music, such as 8 */
  duration?: number;
  /** A number from 0 (greedy) to 2 */
  temperature?: number;
  /** A whole number from 0 (off) up, such as 250 */
  top_k?: number;
  /** A number from 0 (off; top_k counts) to 1 */
  top_p?: number;
  /** A number from 0 (unconditional) to 20 */
  guidance_scale?: number;
  /** A whole number from 0 to 9007199254740991; leave it out for a random one */
  seed?: number;
  /** One of wav, mp3, ogg, flac, opus, m4a, aac */
  output_format?: OutputFormat;
  /** LUFS to bring the file to, from -40 to -6 such as -14; left out, the model's own level stays */
  loudness?: number;
  /** True to hear it while it is made (its peaks are limited as they come), or false */
  stream?: boolean;
  /** The title in the file's tags, at most 200 characters */
  title?: string;
  /** Your own id, at most 200 characters */
  client_id?: string;
  /** One of high, normal, low */
  priority?: Priority;
  /** Seconds from its first start to its end, from 1 to 604800 */
  timeout_s?: number;
  /** Seconds it may wait for its first start, from 1 to 604800 */
  ttl_s?: number;
  /** True, or false to have the music made anew */
  cache?: boolean;
  /** An http or https URL that takes a POST, such as https://example.com/hooks/music */
  webhook_url?: string;
  /** A list of started, completed, failed, cancelled; without it, the three ends */
  webhook_events?: WebhookEvent[];
}

export interface MusicRequest extends PlainRequest {
  /** A recording to follow */
  melody?: AudioFile;
  /** A recording that it begins with */
  continue_audio?: AudioFile;
}

/** What an instrument of a piece may have of its own. */
export type PartField =
  | 'continue_seconds'
  | 'melody'
  | 'prompt'
  | 'temperature'
  | 'top_k'
  | 'top_p'
  | 'guidance_scale'
  | 'seed'
  | 'continue_audio';

/** What a piece for several instruments has. */
export type PieceField =
  | 'tempo_bpm'
  | 'key'
  | 'model'
  | 'duration'
  | 'temperature'
  | 'top_k'
  | 'top_p'
  | 'guidance_scale'
  | 'seed'
  | 'output_format'
  | 'loudness'
  | 'title'
  | 'client_id'
  | 'priority'
  | 'timeout_s'
  | 'ttl_s'
  | 'cache'
  | 'webhook_url'
  | 'webhook_events';

/** What a piece that is mixed again may have anew. */
export type MixField =
  | 'output_format'
  | 'loudness'
  | 'title'
  | 'client_id'
  | 'priority'
  | 'timeout_s'
  | 'ttl_s'
  | 'cache'
  | 'webhook_url'
  | 'webhook_events';
