// The request of a piece, to be sent another time.

/** @typedef {import('musicgen-api').MusicRequest} MusicRequest */
/** @typedef {import('musicgen-api').MultiInstrumentRequest} MultiInstrumentRequest */
/** @typedef {import('musicgen-api').RemixRequest} RemixRequest */
/** @typedef {import('musicgen-api').TaskState} TaskState */

/** What instruments have in common; what else a request has is each one's own. */
const COMMON = ['model', 'duration', 'output_format', 'loudness', 'title', 'seed'];
const OWN = ['prompt', 'temperature', 'top_k', 'top_p', 'guidance_scale', 'seed'];

/** @param {Record<string, unknown>} fields @param {string[]} names */
function only(fields, names) {
  return Object.fromEntries(names.filter((name) => fields[name] !== undefined).map((name) => [name, fields[name]]));
}

/** The same words and settings, under another seed. @param {TaskState} piece @returns {MusicRequest} */
export function again(piece) {
  const { seed, ...request } = same(piece);
  return request;
}

/** The very same. @param {TaskState} piece @returns {MusicRequest} */
export function same(piece) {
  const { stream, ...request } = /** @type {MusicRequest} */ (piece.request);
  return request;
}

/** The levels, positions and effects of a mix. @param {TaskState} piece */
function mixOf({ parts = [] }) {
  /** @param {'level' | 'panning' | 'effects'} which */
  const each = (which) => Object.fromEntries(parts.map((part) => [part.name, part[which]]));
  const effects = parts.some((part) => part.effects?.length) ? { effects: each('effects') } : {};
  return { levels: each('level'), panning: each('panning'), ...effects };
}

/** A piece for several instruments, from the tasks of its instruments, mixed as it is.
 *
 * @param {TaskState} piece
 * @param {TaskState[]} parts in its order
 * @returns {MultiInstrumentRequest}
 */
export function sameForSeveral(piece, parts) {
  const names = (piece.parts ?? []).map((part) => part.name);
  const instruments = Object.fromEntries(parts.map((part, at) => [names[at], only(part.request, OWN)]));
  const { tempo_bpm: tempo, key, mix_preset: preset } = piece;
  const common = { ...only(piece.request, COMMON), tempo_bpm: tempo, key, ...(preset ? { mix_preset: preset } : {}) };
  return /** @type {any} */ ({ instruments, ...common, ...mixOf(piece) }); // fields that the server told
}

/** The same instruments, tempo, key and mix, each instrument under another seed.
 *
 * @param {TaskState} piece
 * @param {TaskState[]} parts
 */
export function againForSeveral(piece, parts) {
  const { seed, instruments, ...common } = sameForSeveral(piece, parts);
  const unseeded = Object.entries(instruments).map(([name, each]) => {
    const { seed: _, ...own } = /** @type {import('musicgen-api').MusicRequest} */ (each);
    return [name, own];
  });
  return /** @type {MultiInstrumentRequest} */ ({ instruments: Object.fromEntries(unseeded), ...common });
}

/** The same mix of stems that are there. @param {TaskState} piece @returns {RemixRequest} */
export function sameMix(piece) {
  const { mix_preset: preset = null, loudness } = piece;
  const file = only(piece.request, ['output_format', 'title']);
  return /** @type {RemixRequest} */ ({ mix_preset: preset, ...mixOf(piece), loudness, ...file });
}
