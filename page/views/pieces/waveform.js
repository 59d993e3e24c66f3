// Waveform: wavesurfer.js over a sound that is there already: what it loops, a spectrogram on demand.

import { effect } from '@preact/signals';
import WaveSurfer from 'wavesurfer.js';
import RegionsPlugin from 'wavesurfer.js/plugins/regions';

import { loopBetween } from '../../lib/loop.js';
import { shortened } from '../../lib/peaks.js';
import { keepPeaks } from '../../state/pieces.js';

/** @typedef {import('../../lib/element_sound.js').ElementSound} ElementSound */

const BAND = 'rgba(128, 128, 128, 0.25)';
const HEIGHT = 96;
const SPECTRUM_HEIGHT = 128;
const PEAKS = 160;

/** The page's policy lets wavesurfer's style in by it. */
function nonce() {
  return /** @type {HTMLElement | null} */ (document.querySelector('link[nonce]'))?.nonce ?? '';
}

/** @param {HTMLElement} element @param {string} name of a custom property that is a colour */
function colour(element, name) {
  const probe = element.appendChild(document.createElement('span'));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export class Waveform {
  #surfer;
  #regions;
  /** @type {{ destroy: () => void } | null} */
  #spectrum = null;
  #showing = false; // a region that appears then is none that somebody marked
  #forget = () => {};

  /** @param {HTMLElement} frame @param {ElementSound} sound it goes on sounding when its picture is gone @param {string} id */
  constructor(frame, sound, id) {
    this.#regions = RegionsPlugin.create();
    this.#surfer = WaveSurfer.create({
      container: frame,
      media: sound.element,
      height: HEIGHT,
      barWidth: 3,
      barGap: 1,
      barRadius: 1,
      cursorColor: colour(frame, '--text'),
      waveColor: colour(frame, '--wave'),
      progressColor: colour(frame, '--accent'),
      cspNonce: nonce(),
      plugins: [this.#regions],
    });
    this.#surfer.on('ready', () => {
      const [peaks] = this.#surfer.exportPeaks({ maxLength: PEAKS });
      keepPeaks(id, shortened(peaks.map(Math.abs)));
    });
    this.#loop(sound);
    this.#surfer.load(sound.element.src).catch(() => {}); // its element tells of a file that cannot be played
  }

  /** What is marked by dragging is what the sound loops, and the other way round. @param {ElementSound} sound */
  #loop(sound) {
    this.#regions.enableDragSelection({ color: BAND });
    const take = (/** @type {{ start: number, end: number }} */ { start, end }) => {
      if (this.#showing) return;
      loopBetween(sound, start, end);
      this.#show(sound.loop.peek()); // nothing, where it was too short
    };
    this.#regions.on('region-created', take);
    this.#regions.on('region-updated', take);
    this.#surfer.on('ready', () => this.#show(sound.loop.peek()));
    this.#forget = effect(() => this.#show(sound.loop.value));
  }

  /** @param {import('../../lib/loop.js').Region | null} region */
  #show(region) {
    const durationS = this.#surfer.getDuration();
    this.#showing = true;
    this.#regions.clearRegions();
    if (region && durationS) this.#regions.addRegion({ start: region.fromS, end: Math.min(region.toS, durationS), color: BAND });
    this.#showing = false;
  }

  /** @param {boolean} shown */
  async showSpectrum(shown) {
    this.#spectrum?.destroy();
    this.#spectrum = null;
    if (!shown) return;
    const { default: SpectrogramPlugin } = await import('wavesurfer.js/plugins/spectrogram');
    this.#spectrum = this.#surfer.registerPlugin(
      SpectrogramPlugin.create({ height: SPECTRUM_HEIGHT, labels: true, scale: 'mel', useWebWorker: true }),
    );
  }

  end() {
    this.#forget();
    this.#surfer.destroy();
  }
}
