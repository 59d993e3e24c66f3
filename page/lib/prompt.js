// Words that are put into a prompt and taken out again, between those that somebody typed.

/** @typedef {import('musicgen-api').Vocabulary} Vocabulary */

/** @param {string} chip */
function pattern(chip) {
  const plain = chip.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`(^|[\\s,.;])${plain}(?=$|[\\s,.;])`, 'i');
}

/** @param {string} prompt @param {string} chip */
export function has(prompt, chip) {
  return pattern(chip).test(prompt);
}

/** The prompt with the chip, in place of another one of its group; without it, where it was there.
 *
 * @param {string} prompt
 * @param {string} chip '' only takes out
 * @param {string[]} group
 */
export function toggled(prompt, chip, group) {
  const before = [...group].sort((one, other) => other.length - one.length).find((each) => has(prompt, each));
  if (!before) return joined([prompt, chip]);
  const without = prompt.replace(pattern(before), '$1\u0000');
  const kept = before.toLowerCase() === chip.toLowerCase() ? '' : chip;
  return joined(without.replace('\u0000', kept).split(','));
}

/** @param {string[]} parts */
function joined(parts) {
  const trimmed = parts.map((part) => part.replace(/\s+/g, ' ').trim());
  return trimmed.filter(Boolean).join(', ');
}

/** A prompt of words that go together: one of the examples, or drawn.
 *
 * @param {Vocabulary} vocabulary
 * @param {() => number} random from 0 to 1
 */
export function surprise(vocabulary, random) {
  /** @param {string[]} all */
  const draw = (all) => all[Math.floor(random() * all.length)];
  if (random() < 0.5 && vocabulary.examples.length) return draw(vocabulary.examples);
  const key = vocabulary.keys.length ? `in ${draw(vocabulary.keys)}` : '';
  const words = [`${draw(vocabulary.tempi)} ${draw(vocabulary.moods)} ${draw(vocabulary.instruments)}`, draw(vocabulary.genres)];
  return joined([...words, key, draw(vocabulary.drums)]);
}
