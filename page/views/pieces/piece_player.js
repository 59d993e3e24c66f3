// PiecePlayer: the waveform of an opened piece, to seek in and to loop a part of; its spectrogram on demand.

import { html } from 'htm/preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import { soundFault } from '../../state/faults.js';
import { soundOf } from '../../state/sounds.js';
import { words } from '../../words.js';
import { Listening } from '../listening.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */
/** @typedef {import('./waveform.js').Waveform} Waveform */

const text = words.pieces;

/** @param {{ piece: TaskState, name: string }} props */
export function PiecePlayer({ piece, name }) {
  const frame = useRef(/** @type {HTMLDivElement | null} */ (null));
  const waveform = useRef(/** @type {Waveform | null} */ (null));
  const [spectrum, setSpectrum] = useState(false);
  const [fault, setFault] = useState('');
  const sound = soundOf(piece.task_id);
  useEffect(() => {
    let left = false;
    const show = async () => {
      const { Waveform } = await import('./waveform.js'); // the library is for those who open a piece
      await sound.blob();
      if (left || !frame.current) return;
      waveform.current = new Waveform(frame.current, sound, piece.task_id);
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
    <${Listening} sound=${sound}>
      <button type="button" class="quiet" aria-pressed=${spectrum ? 'true' : 'false'} onClick=${toggleSpectrum}>${text.spectrogram}</button>
    </${Listening}>
  </div>`;
}
