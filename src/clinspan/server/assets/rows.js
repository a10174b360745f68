/** A list of which only what is on the screen is made, however long it is. */

const SPARE = 6; // rows above and below what is seen

export class Rows {
  #box;
  #spacer = document.createElement("div");
  #items = [];
  #made = new Map(); // item → row
  #chosen = null;
  #height = 0;

  /** @param fill gives the row's content: fill(row, item); pick(item) is called on a click */
  constructor(box, { fill, pick }) {
    this.#box = box;
    this.fill = fill;
    this.#spacer.className = "spacer";
    this.#spacer.setAttribute("role", "presentation");
    box.append(this.#spacer);
    box.addEventListener("scroll", () => this.#render(), { passive: true });
    new ResizeObserver(() => this.#render()).observe(box);
    box.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) pick(this.#items[Number(row.dataset.at)]);
    });
  }

  /** Shows items in their order. One that is the same object as before keeps its row. */
  show(items, chosen, reveal) {
    this.#items = items;
    this.#chosen = chosen;
    this.#height ||= this.#measured();
    this.#spacer.style.height = `${items.length * this.#height}px`;
    if (chosen && reveal) {
      const at = items.indexOf(chosen) * this.#height;
      const box = this.#box;
      if (at >= 0 && (at < box.scrollTop || at + this.#height > box.scrollTop + box.clientHeight)) {
        box.scrollTop = at - box.clientHeight / 2;
      }
    }
    this.#render();
  }

  #measured() {
    const row = document.createElement("div");
    row.className = "row";
    row.textContent = "x";
    this.#spacer.append(row);
    const { height } = row.getBoundingClientRect();
    row.remove();
    return height;
  }

  #render() {
    if (!this.#height) return;
    const { scrollTop, clientHeight } = this.#box;
    const first = Math.max(0, Math.floor(scrollTop / this.#height) - SPARE);
    const last = Math.min(this.#items.length, Math.ceil((scrollTop + clientHeight) / this.#height) + SPARE);
    const wanted = new Map();
    for (let at = first; at < last; at += 1) wanted.set(this.#items[at], at);
    for (const [item, row] of this.#made) {
      if (wanted.has(item)) continue;
      row.remove();
      this.#made.delete(item);
    }
    for (const [item, at] of wanted) {
      let row = this.#made.get(item);
      if (!row) {
        row = document.createElement("div");
        row.className = "row";
        row.setAttribute("role", "option");
        this.fill(row, item);
        this.#made.set(item, row);
        this.#spacer.append(row);
      }
      row.id = `row${item.id}`;
      row.dataset.at = at;
      row.style.transform = `translateY(${at * this.#height}px)`;
      row.setAttribute("aria-posinset", at + 1);
      row.setAttribute("aria-setsize", this.#items.length);
      row.setAttribute("aria-selected", item === this.#chosen);
    }
    if (this.#chosen && wanted.has(this.#chosen)) this.#box.setAttribute("aria-activedescendant", `row${this.#chosen.id}`);
    else this.#box.removeAttribute("aria-activedescendant");
  }
}
