// Waveform: wavesurfer.js over an audio element that is there already: looped regions, a spectrogram on demand.

import WaveSurfer from 'wavesurfer.js';
import RegionsPlugin from 'wavesurfer.js/plugins/regions';

import { shortened } from '../../lib/peaks.js';
import { keepPeaks } from '../../state/pieces.js';

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

  /** @param {HTMLElement} frame @param {HTMLAudioElement} element it goes on sounding when its picture is gone
   * @param {string} id @param {(loops: boolean) => void} onLoop */
  constructor(frame, element, id, onLoop) {
    this.#regions = RegionsPlugin.create();
    this.#surfer = WaveSurfer.create({
      container: frame,
      media: element,
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
    this.#loop(onLoop);
    this.#surfer.load(element.src).catch(() => {}); // its element tells of a file that cannot be played
  }

  /** @param {(loops: boolean) => void} onLoop */
  #loop(onLoop) {
    this.#regions.enableDragSelection({ color: 'rgba(128, 128, 128, 0.25)' });
    this.#regions.on('region-created', (region) => {
      for (const other of this.#regions.getRegions()) if (other !== region) other.remove();
      onLoop(true);
    });
    this.#regions.on('region-out', (region) => {
      if (this.#regions.getRegions().includes(region)) region.play();
    });
    this.#regions.on('region-removed', () => onLoop(this.#regions.getRegions().length > 0));
  }

  unloop() {
    this.#regions.clearRegions();
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
    this.#surfer.destroy();
  }
}
