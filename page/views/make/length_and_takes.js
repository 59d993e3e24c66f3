// LengthAndTakes: how long it is to be, and how many takes of it.

import { html } from 'htm/preact';

import { change, fields } from '../../state/form.js';
import { modelNamed } from '../../state/service.js';
import { words } from '../../words.js';
import { Fault } from './field.js';

const TAKES = [1, 2, 3, 4];
const SECONDS = [1, 2, 3, 4, 6, 8, 10, 12, 15, 20, 25, 30, 45, 60, 90, 120, 180, 240];

export function LengthAndTakes() {
  const { duration, takes, model } = fields.value;
  const most = modelNamed(model)?.max_duration ?? SECONDS[SECONDS.length - 1];
  const steps = SECONDS.filter((seconds) => seconds <= most);
  const nearest = steps.findLastIndex((seconds) => seconds <= duration);
  return html`<div class="row">
    <div class="field length">
      <label for="duration">${words.form.length}</label>
      <div class="beside">
        <input
          id="duration"
          type="range"
          min="0"
          max=${steps.length - 1}
          value=${Math.max(0, nearest)}
          aria-valuetext=${words.seconds(duration)}
          onInput=${(/** @type {{ currentTarget: HTMLInputElement }} */ event) => change({ duration: steps[Number(event.currentTarget.value)] })}
        />
        <output for="duration">${words.seconds(duration)}</output>
      </div>
      <${Fault} name="duration" />
    </div>
    <fieldset class="field takes">
      <legend title=${words.form.takesHint}>${words.form.takes}</legend>
      <div class="choices">
        ${TAKES.map(
          (count) => html`<label key=${count}>
            <input type="radio" name="takes" checked=${takes === count} onChange=${() => change({ takes: count })} />
            <span>${count}</span>
          </label>`,
        )}
      </div>
    </fieldset>
  </div>`;
}
