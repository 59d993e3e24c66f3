// Desk: the stems of one piece on the mixing desk, as it was mixed at first, until it is mixed again.

import { computed, effect, signal } from '@preact/signals';

import { audible } from '../lib/mixer.js';
import { peaksOf } from '../lib/peaks.js';
import { speakers } from '../lib/speakers.js';
import { StemPlayer } from '../lib/stem_player.js';
import { ask } from './session.js';
import { chosenId, resume } from './takes.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */
/** @typedef {import('musicgen-api').Mix} Mix */
/** @typedef {import('../lib/mixer.js').Strip} Strip */

const SETTLED_MS = 150; // of a slider that was moved

export class Desk {
  /** @type {(() => void)[]} */
  #ends = [];
  #closed = false;

  /** @param {TaskState} piece */
  constructor(piece) {
    this.id = piece.task_id;
    const parts = piece.parts ?? [];
    this.names = parts.map((part) => part.name);
    const strips = parts.map(({ name, level = 0, panning = 0, effects = [] }) => [name, { level, panning, effects }]);
    this.strips = signal(/** @type {Record<string, Strip>} */ (Object.fromEntries(strips)));
    this.loudness = signal(piece.loudness ?? -16);
    this.muted = signal(/** @type {Set<string>} */ (new Set()));
    this.solo = signal(/** @type {Set<string>} */ (new Set()));
    /** As it is heard. */
    this.heard = computed(() => audible(this.strips.value, this.muted.value, this.solo.value));
    this.player = signal(/** @type {StemPlayer | null} */ (null));
    /** @type {Record<string, number[]>} */
    this.peaks = {};
  }

  /** Fetches the stems. Raises what the client raises. */
  async open() {
    const mix = /** @type {Mix} */ (await ask((client) => client.task(this.id).wait()));
    const stems = await ask(() => mix.stems());
    const read = Object.entries(stems).map(async ([name, clip]) => {
      const bytes = await clip.bytes();
      return [name, await speakers().context.decodeAudioData(/** @type {ArrayBuffer} */ (bytes.buffer))];
    });
    const buffers = /** @type {Record<string, AudioBuffer>} */ (Object.fromEntries(await Promise.all(read)));
    const longest = Math.max(...Object.values(buffers).map((buffer) => buffer.length));
    for (const [name, buffer] of Object.entries(buffers)) {
      this.peaks[name] = peaksOf(buffer.getChannelData(0), buffer.length, longest);
    }
    if (this.#closed) return;
    const player = new StemPlayer(buffers, this.heard.peek());
    this.#ends.push(() => player.end());
    await player.set(this.heard.peek(), this.loudness.peek());
    if (this.#closed) return;
    this.player.value = player;
    this.#ends.push(effect(() => this.#apply(player, this.heard.value, this.loudness.value)));
  }

  close() {
    this.#closed = true;
    this.#ends.forEach((end) => end());
  }

  /** @param {StemPlayer} player @param {Record<string, Strip>} heard @param {number} lufs */
  #apply(player, heard, lufs) {
    const timer = setTimeout(() => player.set(heard, lufs), SETTLED_MS);
    return () => clearTimeout(timer);
  }

  /** @param {string} name @param {Partial<Strip>} changes */
  change(name, changes) {
    const before = this.strips.value;
    this.strips.value = { ...before, [name]: { ...before[name], ...changes } };
  }

  /** @param {'muted' | 'solo'} which @param {string} name */
  toggle(which, name) {
    const now = new Set(this[which].value);
    if (!now.delete(name)) now.add(name);
    this[which].value = now;
  }

  /** Has it mixed on the server as it is heard here. */
  async mixAgain() {
    const entries = Object.entries(this.heard.value);
    const levels = Object.fromEntries(entries.map(([name, { level }]) => [name, level]));
    const panning = Object.fromEntries(entries.map(([name, strip]) => [name, strip.panning]));
    await this.#remix({ levels, panning, loudness: this.loudness.value });
  }

  /** Has it mixed by a preset alone. @param {string} preset '' is none */
  async mixBy(preset) {
    await this.#remix({ mix_preset: preset || null, levels: null, panning: null, effects: null, loudness: null });
  }

  /** @param {import('musicgen-api').RemixRequest} changes */
  async #remix(changes) {
    const task = await ask((client) => client.task(this.id).remix(changes));
    resume([task]);
    chosenId.value = task.id;
  }
}
