/** Where words begin and end, and where a text says the same again. Offsets are UTF-16 units. */

const WORD = /[\p{L}\p{N}\p{M}]/u;
const SPACE = /\s/u;
const CASE_COUNTS = 4; // letters up to which PT (physical therapy) and pt (patient) are two terms

/** The character that ends at `at`; empty at the beginning. */
function before(text, at) {
  if (at <= 0) return "";
  const unit = text.charCodeAt(at - 1);
  return unit >= 0xdc00 && unit <= 0xdfff && at > 1 ? text.slice(at - 2, at) : text[at - 1];
}

/** The character that begins at `at`; empty at the end. */
function after(text, at) {
  return at < text.length ? String.fromCodePoint(text.codePointAt(at)) : "";
}

function skip(text, at, kind, back = false) {
  for (;;) {
    const character = back ? before(text, at) : after(text, at);
    if (!character || !kind.test(character)) return at;
    at += back ? -character.length : character.length;
  }
}

/** The offset one character further; a pair of units is one character. */
export const stepRight = (text, at) => at + after(text, at).length;
export const stepLeft = (text, at) => at - before(text, at).length;

/** The first end of a word after `at`. What is no letter, digit or space is a word by itself. */
export function nextEnd(text, at) {
  const from = skip(text, at, SPACE);
  const to = skip(text, from, WORD);
  return to > from ? to : stepRight(text, from);
}

/** The last beginning of a word before `at`. */
export function previousStart(text, at) {
  const from = skip(text, at, SPACE, true);
  const to = skip(text, from, WORD, true);
  return to < from ? to : stepLeft(text, from);
}

/** The first beginning of a word at or after `at`. */
export const firstStart = (text, at) => skip(text, at, SPACE);

/** The first beginning of a word after `at`, and the last end of one before it. */
export const nextStart = (text, at) => skip(text, skip(text, at, SPACE) > at ? at : nextEnd(text, at), SPACE);
export const previousEnd = (text, at) =>
  skip(text, skip(text, at, SPACE, true) < at ? at : previousStart(text, at), SPACE, true);

/** A selection without spaces at its ends; with `whole`, half words are made whole. Null when nothing is left. */
export function trimmed(text, start, end, whole = true) {
  start = skip(text, start, SPACE);
  end = skip(text, end, SPACE, true);
  if (start >= end) return null;
  if (whole && WORD.test(after(text, start))) start = skip(text, start, WORD, true);
  if (whole && WORD.test(before(text, end))) end = skip(text, end, WORD);
  return { start, end };
}

const caseCounts = (words) => words.length <= CASE_COUNTS;

/** What two mentions of the same term have in common. */
export function termOf(string) {
  const words = string.trim().replace(/\s+/gu, " ");
  return caseCounts(words) ? words : words.toLowerCase();
}

/** Every place, as a whole word, that says `string`; a line break counts as a space. */
export function occurrences(text, string) {
  const words = string.trim().split(/\s+/u);
  const escaped = words.map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("\\s+");
  if (!escaped) return [];
  const left = WORD.test(after(string.trim(), 0)) ? "(?<![\\p{L}\\p{N}\\p{M}])" : "";
  const right = WORD.test(before(string.trim(), string.trim().length)) ? "(?![\\p{L}\\p{N}\\p{M}])" : "";
  const wanted = new RegExp(left + escaped + right, caseCounts(words.join(" ")) ? "gu" : "giu");
  return [...text.matchAll(wanted)].map((found) => ({ start: found.index, end: found.index + found[0].length }));
}
