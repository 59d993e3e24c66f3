// ChannelStrip: level and position of one stem, by Web Audio.

const RAMP_S = 0.02;

export class ChannelStrip {
  #gains;

  /** @param {BaseAudioContext} context */
  constructor(context) {
    this.input = new GainNode(context, { channelCount: 2, channelCountMode: 'explicit' });
    this.output = new ChannelMergerNode(context, { numberOfInputs: 2 });
    const split = new ChannelSplitterNode(context, { numberOfOutputs: 2 });
    this.input.connect(split);
    this.#gains = [0, 1].map((side) => {
      const node = new GainNode(context, { gain: 0 });
      split.connect(node, side);
      node.connect(this.output, 0, side);
      return node.gain;
    });
  }

  /** Heard at once. @param {number[]} gains of left and right */
  set(gains) {
    const { currentTime } = this.input.context;
    this.#gains.forEach((gain, side) => gain.setTargetAtTime(gains[side], currentTime, RAMP_S));
  }
}
