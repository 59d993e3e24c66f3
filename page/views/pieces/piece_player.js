// PiecePlayer: the waveform of an opened piece, to seek in and to loop a part of; its spectrogram on demand.

import { html } from 'htm/preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { soundFault } from '../../state/faults.js';
import { soundOf } from '../../state/sounds.js';
import { volume } from '../../lib/speakers.js';
import { words } from '../../words.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */
/** @typedef {import('./waveform.js').Waveform} Waveform */

const text = words.pieces;

/** @param {{ piece: TaskState, name: string }} props */
export function PiecePlayer({ piece, name }) {
  const frame = useRef(/** @type {HTMLDivElement | null} */ (null));
  const waveform = useRef(/** @type {Waveform | null} */ (null));
  const [loops, setLoops] = useState(false);
  const [spectrum, setSpectrum] = useState(false);
  const [fault, setFault] = useState('');
  useEffect(() => {
    let left = false;
    const show = async () => {
      const { Waveform } = await import('./waveform.js'); // the library is for those who open a piece
      const sound = soundOf(piece.task_id);
      await sound.blob();
      if (left || !frame.current) return;
      waveform.current = new Waveform(frame.current, sound.element, piece.task_id, setLoops);
    };
    show().catch((error) => setFault(soundFault(error)));
    return () => {
      left = true;
      waveform.current?.end();
      waveform.current = null;
    };
  }, [piece.task_id]);
  const toggleSpectrum = () => {
    setSpectrum(!spectrum);
    waveform.current?.showSpectrum(!spectrum).catch(() => setFault(words.notLoaded));
  };
  return html`<div class="player">
    <div class="waveform" ref=${frame} role="img" aria-label=${text.wave(name)}></div>
    ${fault && html`<p class="fault" role="alert">${fault}</p>`}
    <div class="line small">
      <p class="soft" role="status">${loops ? text.looping : text.loop}</p>
      ${loops && html`<button type="button" class="quiet" onClick=${() => waveform.current?.unloop()}>${text.unloop}</button>`}
      <button type="button" class="quiet" aria-pressed=${spectrum ? 'true' : 'false'} onClick=${toggleSpectrum}>${text.spectrogram}</button>
      <label class="volume">
        <span>${text.volume}</span>
        <input
          type="range"
          min="0"
          max="1"
          step="0.05"
          value=${volume.value}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => (volume.value = Number(event.currentTarget.value))}
        />
      </label>
    </div>
  </div>`;
}
