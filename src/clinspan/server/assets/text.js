/**
 * The note's text and what lies over it.
 *
 * The text stands in the page letter for letter: one block for each line, nothing but text in it, and no element for an
 * entity. Entities are ranges that the browser paints (CSS Custom Highlight API), so that they may nest and cross, and
 * that a change moves nothing. Offsets are UTF-16 units of the whole text.
 */

const LINES_IN_A_CHUNK = 30;
/** What is painted anew with a change is a text node: a long line has several. */
const PIECES = /.{1,1000}(?:\s|$)|.{1,1000}/gsu;
export const STYLES = 32; // of page.css: 8 colours times 4 kinds of line
const REACH = 3; // pixels

/** The last index whose value is not above `wanted`. */
function lastUpTo(values, wanted) {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (values[middle] <= wanted) low = middle;
    else high = middle - 1;
  }
  return low;
}

export class TextView {
  #root;
  #nodes = [];
  #starts = [];
  #index = new Map();
  #length = 0;
  #painted = new Map(); // id → {ranges, names, said, start, end}
  #highlights = new Map();

  constructor(root) {
    this.#root = root;
  }

  /** Shows a text; parts that no model read are said so in front of them. */
  show(text, unread) {
    for (const highlight of this.#highlights.values()) highlight.clear();
    this.#painted.clear();
    this.#index.clear();
    [this.#nodes, this.#starts, this.#length] = [[], [], text.length];
    const chunks = [];
    const lines = text.match(/[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+$/g) ?? [];
    let at = 0;
    lines.forEach((line, number) => {
      if (number % LINES_IN_A_CHUNK === 0) chunks.push(document.createElement("div"));
      const block = document.createElement("p");
      block.dir = "auto";
      chunks.at(-1).append(block);
      for (const [piece] of line.matchAll(PIECES)) {
        const node = document.createTextNode(piece);
        block.append(node);
        this.#index.set(node, this.#nodes.length);
        this.#nodes.push(node);
        this.#starts.push(at);
        at += piece.length;
      }
    });
    this.#root.replaceChildren(...chunks);
    for (const { start, end, state } of unread) {
      if (!this.#nodes.length) break;
      const [first, last] = [lastUpTo(this.#starts, start), lastUpTo(this.#starts, Math.max(start, end - 1))];
      for (let number = first; number <= last; number += 1) {
        const block = this.#nodes[number].parentElement;
        const starts = number === first ? start - this.#starts[number] : 0;
        const whole = starts === 0 && end >= this.#starts[number] + this.#nodes[number].data.length;
        if (whole) block.classList.add("unread");
        if (number === first) block.dataset.unread = `not read: ${state}`;
      }
    }
    this.#set("unread", unread.map((one) => this.#range(one.start, one.end)).filter(Boolean));
  }

  #place(at, ending = false) {
    const number = lastUpTo(this.#starts, ending ? Math.max(0, at - 1) : at);
    return [this.#nodes[number], Math.min(at - this.#starts[number], this.#nodes[number].data.length)];
  }

  /** A range that the browser need not keep up to date: the text never changes. */
  #range(start, end) {
    if (!this.#nodes.length || start >= end) return null;
    const [startContainer, startOffset] = this.#place(start);
    const [endContainer, endOffset] = this.#place(end, true);
    return new StaticRange({ startContainer, startOffset, endContainer, endOffset });
  }

  #live(start, end) {
    const range = document.createRange();
    range.setStart(...this.#place(start));
    range.setEnd(...this.#place(end, true));
    return range;
  }

  #highlight(name) {
    if (!this.#highlights.has(name)) {
      const made = new Highlight();
      made.priority = { unread: -1, same: 1, selected: 3 }[name] ?? 0;
      this.#highlights.set(name, made);
      CSS.highlights.set(name, made);
    }
    return this.#highlights.get(name);
  }

  #set(name, ranges) {
    const highlight = this.#highlight(name);
    if (highlight.size) highlight.clear();
    for (const range of ranges) highlight.add(range);
  }

  /** Paints entities, of which only those that changed cost anything. `namesOf` gives an entity's highlights. */
  paint(entities, namesOf) {
    const left = new Set(this.#painted.keys());
    for (const one of entities) {
      left.delete(one.id);
      const was = this.#painted.get(one.id);
      const names = namesOf(one);
      const said = names.join(" ");
      if (was && was.said === said && was.start === one.start && was.end === one.end) continue;
      if (was) this.#unpaint(was);
      const ranges = this.#ranges(one);
      for (const name of names) for (const range of ranges) this.#highlight(name).add(range);
      this.#painted.set(one.id, { ranges, names, said, start: one.start, end: one.end });
    }
    for (const id of left) {
      this.#unpaint(this.#painted.get(id));
      this.#painted.delete(id);
    }
  }

  #unpaint({ ranges, names }) {
    for (const name of names) for (const range of ranges) this.#highlight(name).delete(range);
  }

  /** The ranges of an entity: one, or one for each part. */
  #ranges(one) {
    const parts = one.parts.length ? one.parts : [one];
    return parts.map(({ start, end }) => this.#range(start, end)).filter(Boolean);
  }

  /** Shows which entity is chosen, and where else its words stand. */
  point(chosen, alike) {
    this.#set("selected", chosen ? this.#ranges(chosen) : []);
    this.#set("same", alike.flatMap((one) => this.#ranges(one)));
  }

  /** The offset of the character at a point of the window; null beside the text. */
  offsetAt(x, y) {
    const caret = document.caretPositionFromPoint(x, y);
    const number = caret && this.#index.get(caret.offsetNode);
    if (number === undefined || number === null) return null;
    const node = this.#nodes[number];
    for (const at of [caret.offset, caret.offset - 1]) {
      if (at < 0 || at >= node.data.length) continue;
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + 1);
      for (const box of range.getClientRects()) {
        if (x >= box.left - REACH && x <= box.right + REACH && y >= box.top - REACH && y <= box.bottom + REACH) {
          return this.#starts[number] + at;
        }
      }
    }
    return null;
  }

  /** What the person has selected in the text; null for nothing. */
  selection() {
    const selection = document.getSelection();
    if (!selection.rangeCount || selection.isCollapsed) return null;
    const range = selection.getRangeAt(0);
    if (!range.intersectsNode(this.#root)) return null;
    const start = this.#offset(range.startContainer, range.startOffset);
    const end = this.#offset(range.endContainer, range.endOffset);
    return start < end ? { start, end } : null;
  }

  #offset(node, offset) {
    const number = this.#index.get(node);
    if (number !== undefined) return this.#starts[number] + offset;
    // An element: the first line at or after that place.
    const place = document.createRange();
    place.setStart(node, offset);
    let low = 0;
    let high = this.#nodes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (place.comparePoint(this.#nodes[middle], 0) < 0) low = middle + 1;
      else high = middle;
    }
    return low < this.#nodes.length ? this.#starts[low] : this.#length;
  }

  /** Selects a stretch, as a person would with the mouse. */
  select(start, end) {
    const range = this.#live(start, end);
    document.getSelection().setBaseAndExtent(range.startContainer, range.startOffset, range.endContainer, range.endOffset);
  }

  /** The boxes of a stretch within the window. */
  box(start, end) {
    return this.#live(start, end).getBoundingClientRect();
  }

  /** Scrolls so that a stretch lies between `top` and `bottom`, unless it does already. */
  reveal(start, end, top, bottom) {
    if (!this.#nodes.length) return;
    let box = this.box(start, end);
    if (box.top >= top && box.bottom <= bottom) return;
    // Text that was never shown has a guessed height: the second look is at the true place.
    for (let look = 0; look < 3 && (box.top < top || box.bottom > bottom); look += 1) {
      window.scrollBy({ top: box.top - top - (bottom - top) / 3, behavior: "instant" });
      box = this.box(start, end);
    }
  }

  /** The stretch of text on the screen between two heights. */
  visible(top, bottom) {
    const inside = (number, edge) => this.#nodes[number].parentElement.getBoundingClientRect()[edge];
    let low = 0;
    let high = this.#nodes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (inside(middle, "bottom") <= top) low = middle + 1;
      else high = middle;
    }
    let last = low;
    while (last < this.#nodes.length && inside(last, "top") < bottom) last += 1;
    const start = low < this.#nodes.length ? this.#starts[low] : this.#length;
    const end = last < this.#nodes.length ? this.#starts[last] : this.#length;
    // A line may be longer than the screen.
    return { start: Math.max(start, this.#edge(top, start)), end: Math.min(end, this.#edge(bottom, end)) };
  }

  #edge(y, otherwise) {
    const box = this.#root.getBoundingClientRect();
    const caret = document.caretPositionFromPoint(box.left + REACH, y);
    const number = caret && this.#index.get(caret.offsetNode);
    return number === undefined || number === null ? otherwise : this.#starts[number] + caret.offset;
  }
}
