// Recorder: a melody by the microphone, as it is: what cleans up speech eats held notes. Knows no store and no view.

/** Why there is no recording: 'insecure' (no https), 'absent', 'refused', 'lost' (meanwhile), 'failed'. */
export class NoMicrophone extends Error {
  /** @param {'insecure' | 'absent' | 'refused' | 'lost' | 'failed'} why */
  constructor(why) {
    super(why);
    this.why = why;
  }
}

const AS_IT_IS = { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 };

export class Recorder {
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {MediaRecorder | null} */
  #media = null;
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {AnalyserNode | null} */
  #meter = null;
  /** @type {Promise<Blob> | null} */
  #recorded = null;
  #samples = new Float32Array(1024);

  /** Asks for the microphone. Raises NoMicrophone. @param {() => void} onLost it was unplugged, or is no longer allowed */
  async open(onLost) {
    if (!isSecureContext) throw new NoMicrophone('insecure');
    if (!navigator.mediaDevices || !globalThis.MediaRecorder) throw new NoMicrophone('absent');
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: AS_IT_IS });
    } catch (error) {
      const { name } = /** @type {DOMException} */ (error);
      throw new NoMicrophone(name === 'NotAllowedError' ? 'refused' : name === 'NotFoundError' ? 'absent' : 'failed');
    }
    this.#stream.getTracks().forEach((track) => track.addEventListener('ended', onLost)); // not when close() ends it
    this.#context = new AudioContext();
    this.#meter = new AnalyserNode(this.#context, { fftSize: 2 * this.#samples.length });
    this.#context.createMediaStreamSource(this.#stream).connect(this.#meter);
  }

  /** How loud it is now, from 0 to 1 over the upper 60 dB. */
  level() {
    this.#meter?.getFloatTimeDomainData(this.#samples);
    const power = this.#samples.reduce((sum, sample) => sum + sample * sample, 0) / this.#samples.length;
    return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-9)) / 60));
  }

  start() {
    if (!this.#stream) throw new NoMicrophone('failed');
    const media = new MediaRecorder(this.#stream, { audioBitsPerSecond: 192_000 });
    this.#media = media;
    // from the beginning: where the microphone is lost, it ends by itself
    this.#recorded = new Promise((resolve) => media.addEventListener('dataavailable', ({ data }) => resolve(data)));
    media.start();
  }

  /** What was recorded, in the browser's own format. @returns {Promise<Blob>} */
  async stop() {
    if (!this.#media || !this.#recorded) throw new NoMicrophone('failed');
    if (this.#media.state !== 'inactive') this.#media.stop();
    const blob = await this.#recorded;
    this.close();
    return blob;
  }

  /** Lets go of the microphone. */
  close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#context?.close().catch(() => {});
    this.#stream = this.#media = this.#context = this.#meter = this.#recorded = null;
  }
}
