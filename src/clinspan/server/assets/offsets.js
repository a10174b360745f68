/** The service counts Unicode code points, JavaScript counts UTF-16 units: an emoji is one of those and two of these. */

export class Offsets {
  /** The code points, by their number, that take two units. */
  #pairs = [];

  /** @param {string} text */
  constructor(text) {
    if (!/[\ud800-\udbff]/.test(text)) return;
    let point = 0;
    for (const character of text) {
      if (character.length === 2) this.#pairs.push(point);
      point += 1;
    }
  }

  /** The offset in units of an offset in code points. */
  units(point) {
    return point + this.#count((pair) => pair < point);
  }

  /** The offset in code points of an offset in units. */
  points(unit) {
    return unit - this.#count((pair, number) => pair + number < unit);
  }

  /** How many pairs, from the first on, fulfil `holds`. */
  #count(holds) {
    let low = 0;
    let high = this.#pairs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.#pairs[middle], middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
