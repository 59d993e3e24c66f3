// Desk: the stems of one piece on the mixing desk, as it was mixed at first, until it is mixed again.

import { batch, computed, effect, signal } from '@preact/signals';

import { audible } from '../lib/mixer.js';
import { peaksOf } from '../lib/peaks.js';
import { StemPlayer } from '../lib/stem_player.js';
import { words } from '../words.js';
import { isGone } from './faults.js';
import { ask } from './session.js';
import { show } from './takes.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */
/** @typedef {import('musicgen-api').Part} Part */
/** @typedef {import('musicgen-api').TaskMix} TaskMix */
/** @typedef {import('../lib/effects.js').Effect} Effect */
/** @typedef {import('../lib/mixer.js').Strip} Strip */

/** @typedef {{ name: string, bytes: ArrayBuffer, rate: number }} Stem */

const SETTLED_MS = 150; // of a slider that was moved

/** All at the highest rate, as the server mixes them. @param {Stem[]} stems @returns {Promise<Record<string, AudioBuffer>>} */
async function decoded(stems) {
  const rate = Math.max(...stems.map((stem) => stem.rate));
  const read = stems.map(async ({ name, bytes }) => [name, await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes)]);
  return Object.fromEntries(await Promise.all(read));
}

export class Desk {
  /** @type {(() => void)[]} */
  #ends = [];
  #closed = false;
  #byPreset = false; // chosen here: nothing of the piece's own mix stays
  #choices = 0;

  /** @param {TaskState} piece */
  constructor(piece) {
    this.id = piece.task_id;
    this.parts = piece.parts ?? [];
    this.names = this.parts.map((part) => part.name);
    const strips = this.parts.map(({ name, level = 0, panning = 0, effects = [] }) => [name, { level, panning, effects }]);
    this.strips = signal(/** @type {Record<string, Strip>} */ (Object.fromEntries(strips)));
    this.bus = signal(/** @type {Effect[]} */ ([]));
    this.loudness = signal(piece.loudness ?? -16);
    this.preset = signal(piece.mix_preset ?? '');
    this.muted = signal(/** @type {Set<string>} */ (new Set()));
    this.solo = signal(/** @type {Set<string>} */ (new Set()));
    /** As it is heard. */
    this.heard = computed(() => audible(this.strips.value, this.muted.value, this.solo.value));
    this.player = signal(/** @type {StemPlayer | null} */ (null));
    /** Of stems that are gone, why. */
    this.gone = signal(/** @type {Record<string, string>} */ ({}));
    /** @type {Record<string, number[]>} */
    this.peaks = {};
  }

  /** Fetches the stems that there are. Raises what the client raises. */
  async open() {
    const [mix, ...stems] = await Promise.all([ask((client) => client.task(this.id).mix()), ...this.parts.map((part) => this.#stem(part))]);
    if (!this.#byPreset) this.bus.value = /** @type {Effect[]} */ (mix.bus); // the rest is the piece's already
    const buffers = await decoded(stems.filter((stem) => stem !== null));
    if (this.#closed || !Object.keys(buffers).length) return;
    const longest = Math.max(...Object.values(buffers).map((buffer) => buffer.length));
    for (const [name, buffer] of Object.entries(buffers)) {
      this.peaks[name] = peaksOf(buffer.getChannelData(0), buffer.length, longest);
    }
    const player = new StemPlayer(buffers);
    this.#ends.push(() => player.end());
    const settings = computed(() => ({ strips: this.heard.value, bus: this.bus.value, loudness: this.loudness.value }));
    const first = settings.value;
    await player.set(first);
    if (this.#closed) return;
    this.player.value = player;
    this.#ends.push(effect(() => (settings.value === first ? undefined : this.#apply(player, settings.value))));
  }

  /** One that is gone is said at its row. @param {Part} part @returns {Promise<Stem | null>} */
  async #stem({ name, task_id: id }) {
    try {
      const clip = await ask((client) => client.task(id).wait());
      const bytes = await ask(() => clip.bytes());
      return { name, bytes: /** @type {ArrayBuffer} */ (bytes.buffer), rate: clip.metadata.sample_rate };
    } catch (error) {
      if (!isGone(error)) throw error;
      this.gone.value = { ...this.gone.value, [name]: words.desk.gone };
      return null;
    }
  }

  close() {
    this.#closed = true;
    this.#ends.forEach((end) => end());
  }

  /** The stems at once, the mix of them as soon as nothing moves. @param {StemPlayer} player @param {import('../lib/mixer.js').Settings} settings */
  #apply(player, settings) {
    player.move(settings.strips);
    const timer = setTimeout(() => player.set(settings), SETTLED_MS);
    return () => clearTimeout(timer);
  }

  /** As that preset has all of it, heard at once. @param {string} preset '' is none */
  async choose(preset) {
    const own = (this.#choices += 1);
    this.preset.value = preset;
    const mix = await ask((client) => client.task(this.id).mix({ preset: preset || null }));
    if (own !== this.#choices) return;
    this.#byPreset = true;
    this.#mixAs(mix);
  }

  /** @param {TaskMix} mix */
  #mixAs({ parts, bus, loudness }) {
    batch(() => {
      const strips = parts.map(({ name, level, panning, effects }) => [name, { level, panning, effects }]);
      this.strips.value = Object.fromEntries(strips);
      this.bus.value = /** @type {Effect[]} */ (bus);
      this.loudness.value = loudness;
    });
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
    const byPreset = this.#byPreset ? { mix_preset: this.preset.value || null, effects: null } : {};
    const changes = { ...byPreset, levels, panning, loudness: this.loudness.value };
    show(await ask((client) => client.task(this.id).remix(changes)));
  }
}
