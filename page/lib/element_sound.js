// ElementSound: a finished file in an audio element, fetched when it is first heard.

import { effect, signal } from '@preact/signals';

import { keepWithin } from './loop.js';
import { letGo, takeOver, volume } from './speakers.js';

export class ElementSound {
  #fetch;
  /** @type {Promise<Blob> | null} */
  #blob = null;
  #wanted = false; // it is to sound once its file is there
  #forget;

  /** @param {() => Promise<Blob>} fetch gives the file */
  constructor(fetch) {
    this.#fetch = fetch;
    this.element = new Audio();
    this.playing = signal(false);
    /** Changes when one listens elsewhere than playing led to. */
    this.moves = signal(0);
    /** What is played again and again. */
    this.loop = signal(/** @type {import('./loop.js').Region | null} */ (null));
    this.element.preload = 'auto';
    this.element.onseeked = () => (this.moves.value += 1);
    this.element.onplay = () => (this.playing.value = true);
    this.element.onpause = () => (this.#wanted = this.playing.value = false);
    this.element.onended = () => this.loop.peek() && this.#again();
    const ends = [keepWithin(this), effect(() => void (this.element.volume = volume.value))];
    this.#forget = () => ends.forEach((end) => end());
  }

  get positionS() {
    return this.element.currentTime;
  }

  /** The file; fetched once. Raises what the client raises. */
  blob() {
    this.#blob ??= this.#fetch().then((blob) => {
      this.element.src = URL.createObjectURL(blob);
      return blob;
    });
    this.#blob.catch(() => (this.#blob = null));
    return this.#blob;
  }

  async toggle() {
    if (this.#wanted || this.playing.peek()) this.pause();
    else await this.play();
  }

  async play() {
    takeOver(this);
    this.#wanted = true;
    try {
      await this.blob();
      if (this.#wanted) await this.element.play();
    } catch (error) {
      if (!this.#wanted) return; // it was to be silent meanwhile
      this.#wanted = false;
      throw error;
    }
  }

  #again() {
    this.element.currentTime = this.loop.peek()?.fromS ?? 0;
    this.play().catch(() => {}); // it has just been playing
  }

  pause() {
    this.#wanted = false;
    this.element.pause();
  }

  /** Falls silent, and lets go of its file. */
  end() {
    letGo(this);
    this.#forget();
    URL.revokeObjectURL(this.element.src);
  }

  /** @param {number} seconds */
  async seek(seconds) {
    await this.blob();
    this.element.currentTime = seconds;
  }
}
