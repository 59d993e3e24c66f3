// Chips: words that the model knows, which write themselves into the prompt.

import { html } from 'htm/preact';

import { change, fields } from '../../state/form.js';
import { words } from '../../words.js';

const GROUPS = [
  { label: words.form.instruments, chips: ['piano', 'guitar', 'flute', 'synth', 'strings'] },
  { label: words.form.tempi, chips: ['slow', 'medium tempo', 'fast'] },
  { label: words.form.moods, chips: ['calm', 'happy', 'sad'] },
  { label: words.form.drums, chips: ['no drums', 'soft drums', 'rock drums', 'dance drums'] },
];

/** @param {string} chip */
function toggle(chip) {
  const parts = fields.value.prompt.split(',').map((part) => part.trim()).filter(Boolean);
  const others = parts.filter((part) => part !== chip);
  change({ prompt: (others.length < parts.length ? others : [...parts, chip]).join(', ') });
}

export function Chips() {
  const parts = new Set(fields.value.prompt.split(',').map((part) => part.trim()));
  return html`<div class="chips">
    ${GROUPS.map(
      ({ label, chips }) => html`<div key=${label} role="group" aria-label=${label}>
        ${chips.map(
          (chip) => html`<button key=${chip} type="button" class="chip" aria-pressed=${parts.has(chip) ? 'true' : 'false'} onClick=${() => toggle(chip)}>
            ${chip}
          </button>`,
        )}
      </div>`,
    )}
  </div>`;
}
