// WavReader: a WAV of 16-bit samples, read wherever its bytes are cut, and whatever stands before and after its samples.

import { joined } from './bytes.js';
import { MusicGenError } from './errors.js';

const UNKNOWN = 0xffffffff; // as a length: all that comes

export class WavReader {
  #rest = new Uint8Array(0);
  #format = null;
  #left = null; // bytes of samples to come; null in the head

  /** The samples that are complete with these bytes: { samples, sampleRate, channels }, or null. */
  take(bytes) {
    let all = joined(this.#rest, bytes);
    if (this.#left === null) all = this.#head(all);
    if (this.#left === null) {
      this.#rest = all;
      return null;
    }
    const frame = 2 * this.#format.channels;
    const size = Math.floor(Math.min(all.length, this.#left) / frame) * frame;
    this.#rest = all.slice(size);
    this.#left -= size;
    return size ? { ...this.#format, samples: new Int16Array(all.slice(0, size).buffer) } : null;
  }

  /** What follows the head; while that is not complete, all there is of it. */
  #head(all) {
    const view = new DataView(all.buffer, all.byteOffset, all.length);
    const nameAt = (at) => String.fromCharCode(...all.subarray(at, at + 4));
    if (all.length >= 12 && nameAt(8) !== 'WAVE') throw notReadable('is no WAV');
    for (let at = 12; at + 8 <= all.length; ) {
      const size = view.getUint32(at + 4, true);
      if (nameAt(at) === 'fmt ' && at + 24 <= all.length) this.#format = formatOf(view, at + 8);
      if (nameAt(at) === 'data' && this.#format) {
        this.#left = size === UNKNOWN ? Infinity : size;
        return all.slice(at + 8);
      }
      at += 8 + size + (size % 2);
    }
    return all;
  }
}

function formatOf(view, at) {
  if (view.getUint16(at + 14, true) !== 16) throw notReadable('has other than 16-bit samples');
  return { channels: view.getUint16(at + 2, true), sampleRate: view.getUint32(at + 4, true) };
}

function notReadable(why) {
  return new MusicGenError(`what the server streams ${why}; is baseUrl the address of the API?`, { code: 'NO_SOUND' });
}
