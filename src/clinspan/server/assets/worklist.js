/** The list of notes: what is to be done, the most doubtful first. */

import { $, alarm, make, percent, tell } from "./dom.js";
import { timeOf } from "./saver.js";

const AT_ONCE = 100;
const MOST_PASSED = 1000;
const STATES = [["", "all"], ["new", "new"], ["changed", "changed"], ["accepted", "accepted"]];

export class WorkList {
  #state = "";
  #offset = 0;
  #turn = 0;
  #timer = 0;
  #passed = new Set();

  constructor({ api, open }) {
    Object.assign(this, { api, open });
    $("notes-query").addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.show(), 200);
    });
    $("more").addEventListener("click", () => this.#load());
    $("next").addEventListener("click", () => this.next());
    $("loop").addEventListener("click", () => this.#loop());
  }

  async show() {
    this.#offset = 0;
    const turn = ++this.#turn;
    const [summary] = await Promise.all([this.api.summary(), this.#load(turn)]);
    if (turn === this.#turn) this.#states(summary);
  }

  async #load(turn = this.#turn) {
    const query = { state: this.#state, q: $("notes-query").value.trim(), offset: this.#offset, limit: AT_ONCE };
    const { total, notes } = await this.api.notes(query);
    if (turn !== this.#turn) return;
    const rows = notes.map((note) => this.#row(note));
    if (this.#offset === 0) $("notes").replaceChildren(...rows);
    else $("notes").append(...rows);
    this.#offset += notes.length;
    $("more").hidden = this.#offset >= total || notes.length === 0;
    $("notes-said").textContent = total === 0 ? "No such notes." : `${this.#offset} of ${total} notes`;
  }

  #states(summary) {
    const counts = summary?.states ?? summary ?? {};
    $("states").replaceChildren(...STATES.map(([state, words]) => make("button", {
      type: "button", "aria-pressed": String(state === this.#state),
      onclick: () => { this.#state = state; this.show(); },
    }, words, " ", make("span", { className: "soft" }, state in counts ? String(counts[state]) : ""))));
  }

  #row(note) {
    const saved = note.state !== "new" && note.by ? `${note.by}, ${timeOf(note.at)}` : "";
    const doubt = note.doubt === null || note.doubt === undefined ? null : make("span", { className: "doubt", title: "doubt: 0 is sure, 1 is not" },
      make("span", { className: "meter", "aria-hidden": "true" }, make("span", {})), `doubt ${percent(note.doubt)}`);
    if (doubt) doubt.querySelector(".meter > span").style.width = `${100 * note.doubt}%`;
    const title = make("span", { className: "soft title" }, note.title && note.title !== note.id ? note.title : "");
    return make("li", {}, make("div", {}, make("a", { href: `#/note/${encodeURIComponent(note.key)}` }, note.id), title),
      make("span", { className: `state ${note.state}` }, note.state),
      make("span", { className: "soft" }, `${note.entities} ${note.entities === 1 ? "entity" : "entities"} · ${note.words} words`),
      doubt ?? make("span"), make("span", { className: "soft" }, saved));
  }

  /** Opens the note that is most worth a person's time; none that was passed over, until there is no other. */
  async next(after = null) {
    if (after !== null) this.#passed.add(String(after));
    const { key } = await this.api.next([...this.#passed].slice(-MOST_PASSED));
    if (key !== null) {
      this.#passed.add(String(key));
      this.open(key);
      return;
    }
    tell(this.#passed.size ? "There is no other note to look at. Those that you passed over come again." : "No note is left to look at.");
    this.#passed.clear();
    location.hash = "#/";
  }

  async #loop() {
    const said = await this.api.loop();
    alarm("");
    const { accepted, pooled, gold } = said;
    $("notes-said").textContent = `Put to use: of ${accepted} accepted notes ${pooled ?? 0} are examples for the next prompts, and ${gold ?? 0} are gold.`;
  }
}
