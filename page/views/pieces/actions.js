// What can be done with a piece, in the order of its row. An action runs, or opens a panel below the row.

import { useAsMelody } from '../../state/melodies.js';
import { moreLike } from '../../state/more_like.js';
import { words } from '../../words.js';
import { DeskPanel } from '../desk/desk.js';
import { AsCode } from './as_code.js';
import { Download } from './download.js';
import { GoOn } from './go_on.js';
import { Remove } from './remove.js';
import { Rename } from './rename.js';
import { Share } from './share.js';

/** @typedef {import('musicgen-api').TaskState} TaskState */
/** One thing that can be done with a piece.
 *
 * @typedef {object} Action
 * @property {string} name
 * @property {string} label
 * @property {(piece: TaskState) => boolean} applies
 * @property {(piece: TaskState) => unknown} [run]
 * @property {import('preact').FunctionComponent<{ piece: TaskState, close: () => void }>} [panel]
 */

/** @param {TaskState} piece */
const isMade = (piece) => piece.status === 'completed';
/** @param {TaskState} piece */
const isMixable = ({ parts = [] }) =>
  parts.some((part) => part.status === 'completed') && parts.every((part) => ['completed', 'gone'].includes(part.status));

/** @type {Action[]} */
export const ACTIONS = [
  { name: 'more', label: words.pieces.moreLike, applies: () => true, run: moreLike },
  { name: 'go-on', label: words.goOn.label, applies: isMade, panel: GoOn },
  { name: 'melody', label: words.pieces.asMelody, applies: isMade, run: useAsMelody },
  { name: 'desk', label: words.desk.open, applies: isMixable, panel: DeskPanel },
  { name: 'download', label: words.pieces.download, applies: isMade, panel: Download },
  { name: 'share', label: words.share.label, applies: isMade, panel: Share },
  { name: 'rename', label: words.keep.rename, applies: () => true, panel: Rename },
  { name: 'code', label: words.pieces.asCode, applies: () => true, panel: AsCode },
  { name: 'remove', label: words.pieces.remove, applies: () => true, panel: Remove },
];

