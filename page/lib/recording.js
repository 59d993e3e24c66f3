// What is done with a recording before it is sent: read, cut, written as a wav file.

import { speakers } from './speakers.js';

const HEADER_BYTES = 44;

const BEHIND_ALL_S = 1e6;

/** Whether there is something to read: a folder, or a file that was moved, has nothing. @param {Blob} blob */
export async function isReadable(blob) {
  return blob.size > 0 && blob.slice(0, 1).arrayBuffer().then(() => true, () => false);
}

/** How long a file is, without decoding it; null where this browser cannot tell. @param {Blob} blob @returns {Promise<number | null>} */
export function lengthOf(blob) {
  const element = new Audio();
  const address = URL.createObjectURL(blob);
  return new Promise((/** @type {(seconds: number | null) => void} */ resolve) => {
    element.ondurationchange = () => {
      if (Number.isFinite(element.duration)) resolve(element.duration);
      else element.currentTime = BEHIND_ALL_S; // a recording names no length; it is found on the way to its end
    };
    element.onerror = () => resolve(null);
    element.src = address;
  }).finally(() => URL.revokeObjectURL(address));
}

/** Its samples; null of what this browser cannot read. @param {Blob} blob */
export function decoded(blob) {
  return blob.arrayBuffer().then((bytes) => speakers().context.decodeAudioData(bytes)).catch(() => null);
}

/** One channel of a part of it. @param {AudioBuffer} buffer @param {number} fromS @param {number} toS */
export function cut(buffer, fromS, toS) {
  const [from, to] = [fromS, toS].map((seconds) => Math.round(seconds * buffer.sampleRate));
  const mono = new Float32Array(Math.max(0, Math.min(to, buffer.length) - from));
  for (let number = 0; number < buffer.numberOfChannels; number += 1) {
    const channel = buffer.getChannelData(number);
    for (let at = 0; at < mono.length; at += 1) mono[at] += channel[from + at] / buffer.numberOfChannels;
  }
  return mono;
}

/** A wav file of 16 bits. @param {Float32Array} mono @param {number} rate */
export function wavOf(mono, rate) {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + 2 * mono.length));
  const text = (/** @type {number} */ at, /** @type {string} */ word) => [...word].forEach((letter, n) => view.setUint8(at + n, letter.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, view.byteLength - 8, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * mono.length, true);
  mono.forEach((sample, at) => view.setInt16(HEADER_BYTES + 2 * at, Math.round(32_767 * Math.min(1, Math.max(-1, sample))), true));
  return new Blob([view], { type: 'audio/wav' });
}
