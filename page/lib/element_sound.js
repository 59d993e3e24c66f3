// ElementSound: a finished file in an audio element, fetched when it is first heard.

import { effect, signal } from '@preact/signals';

import { takeOver, volume } from './speakers.js';

/** @typedef {import('musicgen-api').Clip} Clip */

export class ElementSound {
  #fetch;
  /** @type {Promise<Blob> | null} */
  #blob = null;

  /** @param {() => Promise<Clip>} fetch gives the clip, with a link that is new */
  constructor(fetch) {
    this.#fetch = fetch;
    this.element = new Audio();
    this.playing = signal(false);
    /** Changes when one listens elsewhere than playing led to. */
    this.moves = signal(0);
    this.element.preload = 'auto';
    this.element.onseeked = () => (this.moves.value += 1);
    this.element.onplay = () => (this.playing.value = true);
    this.element.onpause = () => (this.playing.value = false);
    effect(() => {
      this.element.volume = volume.value;
    });
  }

  get positionS() {
    return this.element.currentTime;
  }

  /** The file; fetched once. Raises what the client raises. */
  blob() {
    this.#blob ??= this.#fetch()
      .then((clip) => clip.blob())
      .then((blob) => {
        this.element.src = URL.createObjectURL(blob);
        return blob;
      });
    this.#blob.catch(() => (this.#blob = null));
    return this.#blob;
  }

  async toggle() {
    if (this.playing.peek()) this.pause();
    else await this.play();
  }

  async play() {
    takeOver(this);
    await this.blob();
    await this.element.play();
  }

  pause() {
    this.element.pause();
  }

  /** @param {number} seconds */
  async seek(seconds) {
    await this.blob();
    this.element.currentTime = seconds;
  }
}
