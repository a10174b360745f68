/** A note on the screen: joins the note, its text, the list, the card, the keys and the saving. */

import { showCard, spoken } from "./card.js";
import { chooseLabel, choosePast, settle } from "./dialogs.js";
import { $, alarm, make, percent, tell } from "./dom.js";
import { entity, Note } from "./note.js";
import { Rows } from "./rows.js";
import { draftOf, hasStranger, Saver, ticked, ticksOf, timeOf } from "./saver.js";
import { STYLES, TextView } from "./text.js";
import { firstStart, nextEnd, nextStart, occurrences, previousEnd, previousStart, stepLeft, stepRight, trimmed } from "./words.js";

const narrow = matchMedia("(max-width: 800px)");
const overlap = (a, b) => a.start < b.end && b.start < a.end;
const STATES = { new: "new", changed: "changed", accepted: "accepted" };

export class Review {
  #view = new TextView($("text"));
  #rows = new Rows($("rows"), { fill: (row, one) => this.#fill(row, one), pick: (one) => this.choose(one) });
  #note = null;
  #saver = null;
  #chosen = null; // id of an entity
  #pending = null; // selected text
  #all = false; // the next act is for all occurrences
  #shown = [];
  #alike = [];
  #styles = new Map();
  #opening = 0;
  #pointer = false;

  /** @param by gives the person's name */
  constructor({ api, by }) {
    Object.assign(this, { api, by });
    this.#listen();
  }

  get open() { return this.#note !== null; }
  get key() { return this.#note?.key; }

  // Opening and closing

  async show(key) {
    const turn = ++this.#opening;
    await this.close();
    const given = await this.api.note(key);
    if (turn !== this.#opening) return;
    const ticks = ticksOf(given);
    const accepted = given.state === "accepted";
    given.entities = given.entities.map((one) => ({ ...one, accepted: accepted || ticked(ticks, one) }));
    this.#note = new Note(given, (said) => this.#changed(said));
    this.#saver = new Saver({
      api: this.api, note: this.#note, offsets: given.offsets, by: this.by,
      told: (state, words) => this.#said(state, words), conflict: (theirs) => this.#settle(theirs),
    });
    this.offsets = given.offsets;
    [this.#chosen, this.#pending, this.#all] = [null, null, false];
    this.#styles = new Map(given.labels.map((label, at) => [label.name, at % STYLES]));
    $("title").textContent = given.title ?? given.id;
    document.title = `${given.title ?? given.id} – clinspan`;
    $("filter-text").value = "";
    $("list-view").hidden = true;
    $("note-view").hidden = false;
    this.#bars();
    this.#view.show(given.text, given.unread);
    this.#unread();
    this.#said("saved", given.version > 1 && given.at ? `Saved ${timeOf(given.at)}` : "");
    this.render(true);
    window.scrollTo(0, 0);
    this.#restore();
  }

  async close() {
    if (!this.#note) return;
    const saver = this.#saver;
    if (saver.dirty) await saver.save();
    saver.close();
    this.#rows.show([], null, false);
    this.#note = null;
    alarm("");
  }

  /** The page is put aside or closed. */
  leave() { this.#saver?.leave(); }

  /** Work that an earlier visit could not save. */
  #restore() {
    if (hasStranger(this.#note)) alarm("This browser keeps unsaved changes for another text of this note. They do not fit, and are left as they are.");
    const draft = draftOf(this.#note);
    if (!draft) return;
    const when = timeOf(draft.at);
    if (draft.version === this.#note.version) {
      this.#note.change(`unsaved changes of ${when} are back`, draft.entities.map(entity), draft.state);
      return;
    }
    const theirs = { version: this.#note.version, by: "", at: null, entities: this.#note.entities, state: this.#note.state };
    this.#saver.blocked = true;
    this.#note.change("unsaved changes are back", draft.entities.map(entity), draft.state);
    this.#saver.base = draft.base;
    this.#settle(theirs);
  }

  async #settle(theirs) {
    const note = this.#note;
    const saver = this.#saver;
    const others = theirs.entities.map(entity);
    const decided = await settle({
      text: note.text, base: saver.base, mine: note.entities, theirs: { ...theirs, entities: others },
      state: note.state, when: `version ${note.version}`,
    });
    note.change(`${decided.how}`, decided.entities, decided.state);
    await saver.settled(theirs.version, others);
  }

  // What is on the screen

  styleOf = (label) => `s${this.#styles.get(label) ?? 0}`;

  #names(one, shown, inner) {
    const names = [];
    if (!shown) names.push("off");
    else names.push(`${one.accepted ? (inner ? "j" : "k") : inner ? "m" : "l"}${this.#styles.get(one.label) ?? 0}`);
    const assertion = one.attributes.assertion;
    if (assertion === "absent") names.push("absent");
    else if (assertion && assertion !== "present") names.push("unsure");
    return names;
  }

  get #one() { return this.#note?.entities.find((one) => one.id === this.#chosen) ?? null; }

  /** Draws what changed; `reveal` also scrolls to what is chosen. */
  render(reveal = false) {
    const note = this.#note;
    const one = this.#one;
    this.#filter();
    const shown = new Set(this.#shown);
    // Entities of one label that touch or nest would run together: those within others have a line above them too.
    let covered = -1;
    this.#view.paint(note.entities, (each) => {
      const seen = shown.has(each) || each === one;
      const inner = seen && each.start <= covered;
      if (seen) covered = Math.max(covered, each.end);
      return this.#names(each, seen, inner);
    });
    this.#alike = one ? note.alike([one], true).filter((other) => other !== one) : [];
    this.#view.point(one, this.#alike);
    if (one && reveal) this.#view.reveal(one.start, one.end, this.#top(), this.#bottom());
    // The card comes first: it leaves the list less room.
    showCard(note, one, { alike: this.#alike, styleOf: this.styleOf, act: this.#acts });
    this.#rows.show(this.#shown, one, reveal);
    this.#buttons(one);
  }

  #filter() {
    const text = $("filter-text").value.trim().toLowerCase();
    const label = $("filter-label").value;
    const score = Number($("filter-score").value);
    const open = $("filter-open").checked;
    const seen = $("filter-screen").checked ? this.#view.visible(this.#top(), this.#bottom()) : null;
    $("filter-score-said").textContent = percent(score);
    this.#shown = this.#note.entities.filter((one) =>
      (!text || this.#note.textOf(one).toLowerCase().includes(text)) && (!label || one.label === label) &&
      (score >= 1 || (one.score !== null && one.score <= score)) && (!open || !one.accepted) && (!seen || overlap(one, seen)));
    const { length } = this.#note.entities;
    $("shown").textContent = this.#shown.length === length ? `${length}` : `${this.#shown.length} of ${length}`;
    for (const id of ["bulk-accept", "bulk-delete", "bulk-label"]) $(id).disabled = this.#shown.length === 0;
  }

  #top() { return (narrow.matches ? document.querySelector(".top") : document.querySelector(".bar")).getBoundingClientRect().bottom; }
  #bottom() {
    if (!narrow.matches) return innerHeight;
    const card = $("card");
    return card.hidden ? document.querySelector(".bar").getBoundingClientRect().top : card.getBoundingClientRect().top;
  }

  #fill(row, one) {
    row.append(make("span", { className: `swatch ${this.styleOf(one.label)}` }, one.label), " ",
      make("span", { className: one.attributes.assertion === "absent" ? "words absent" : "words" }, this.#note.textOf(one)),
      make("span", { className: "soft" }, one.accepted ? "✓" : percent(one.score)));
  }

  #bars() {
    const buttons = (short) => this.#note.labels.map((label, at) => make("button", {
      type: "button", className: `label ${this.styleOf(label.name)}`, title: label.definition ?? "", "data-label": label.name,
      "aria-keyshortcuts": at < 9 ? `${at + 1}` : null, onclick: () => this.label(label.name), tabIndex: short ? -1 : 0,
    }, at < 9 ? make("kbd", {}, `${at + 1}`) : null, make("span", { className: `swatch ${this.styleOf(label.name)}` }, label.name)));
    $("labels").replaceChildren(...buttons(false));
    $("pop").replaceChildren(...buttons(true));
    const options = () => this.#note.labels.map((label) => make("option", { value: label.name }, label.name));
    $("filter-label").replaceChildren(make("option", { value: "" }, "all"), ...options());
    $("bulk-label").replaceChildren(make("option", { value: "" }, "Relabel as …"), ...options());
  }

  #unread() {
    const { unread, text } = this.#note;
    $("unread").hidden = unread.length === 0;
    if (!unread.length) return;
    const many = unread.length === 1 ? "1 part of this note was not read" : `${unread.length} parts of this note were not read`;
    $("unread").replaceChildren(make("strong", {}, `${many}: nothing was looked for there. `), ...unread.map((one) =>
      make("button", {
        type: "button", title: one.detail ?? "",
        onclick: () => this.#view.reveal(one.start, Math.min(one.start + 1, text.length), this.#top(), this.#bottom()),
      }, one.state ?? "not read")));
  }

  #buttons(one) {
    const note = this.#note;
    $("undo").disabled = !note.canUndo;
    $("redo").disabled = !note.canRedo;
    $("note-state").hidden = false;
    $("note-state").textContent = STATES[note.state] ?? note.state;
    $("note-state").className = `state ${note.state}`;
    $("scope").setAttribute("aria-pressed", String(this.#all));
    const words = this.#pending ? this.#note.text.slice(this.#pending.start, this.#pending.end) : one ? note.textOf(one) : "";
    $("scope").disabled = !words;
    $("scope-count").textContent = words ? `(${occurrences(note.text, words).length}) ` : "";
    for (const button of $("labels").children) {
      button.setAttribute("aria-pressed", String(!this.#pending && one?.label === button.dataset.label));
      button.disabled = !words;
    }
  }

  #said(state, words) {
    $("saving").className = `saving ${state}`;
    $("saving").textContent = words;
  }

  #changed(said) {
    tell(said);
    this.#saver?.changed();
  }

  // Choosing

  /** Chooses an entity, or none. */
  choose(one, reveal = true) {
    this.#chosen = one?.id ?? null;
    this.#unselect();
    this.render(reveal);
    if (one) $("spoken").textContent = spoken(this.#note, one, this.#shown.indexOf(one) + 1, this.#shown.length);
  }

  #unselect() {
    this.#pending = null;
    $("pop").hidden = true;
    if (this.#view.selection()) document.getSelection().removeAllRanges();
  }

  /** The next entity (or the one before) of those shown, from where the person is. */
  #go(way, fits = () => true) {
    const list = this.#shown.filter(fits);
    if (!list.length) {
      tell("no such entity");
      return;
    }
    const one = this.#one;
    const at = one ? list.indexOf(one) : -1;
    let next;
    if (at >= 0) next = list[at + way];
    else {
      const from = one ? one.start : this.#pending ? this.#pending.start : this.#view.visible(this.#top(), this.#bottom()).start;
      next = way > 0 ? list.find((other) => other.start >= from && other !== one) : list.findLast((other) => other.start < from);
    }
    if (next) this.choose(next);
    else tell(way > 0 ? "no entity further on" : "no entity before this");
  }

  #pick(x, y) {
    const at = this.#view.offsetAt(x, y);
    const here = at === null ? [] : this.#note.entities
      .filter((one) => one.start <= at && at < one.end).sort((a, b) => (a.end - a.start) - (b.end - b.start));
    // A second click on nested entities takes the next outer one.
    const was = here.findIndex((one) => one.id === this.#chosen);
    this.choose(here.length ? here[(was + 1) % here.length] : null, false);
  }

  #selected() {
    if (!this.#note) return;
    const found = this.#view.selection();
    this.#pending = found;
    if (!found) {
      $("pop").hidden = true;
      this.#buttons(this.#one);
      return;
    }
    if (this.#chosen !== null) {
      this.#chosen = null;
      this.render();
    } else this.#buttons(null);
  }

  #pop() {
    if (!this.#pending || narrow.matches) return;
    const pop = $("pop");
    const box = this.#view.box(this.#pending.start, this.#pending.end);
    pop.hidden = false;
    const { offsetWidth: width, offsetHeight: height } = pop;
    pop.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
    const below = box.bottom + 8;
    pop.style.top = `${below + height < innerHeight ? below : Math.max(8, box.top - height - 8)}px`;
  }

  /** The selected text as an entity would have it: whole words, no spaces at the ends. */
  #place() {
    return this.#pending && trimmed(this.#note.text, this.#pending.start, this.#pending.end, !this.exact);
  }

  // Acting

  #acts = {
    describe: (name, value) => this.#describe(name, () => value),
    move: (side, way, character) => this.move(side, way, character),
    accept: () => this.accept(),
    remove: () => this.remove(),
  };

  /** The chosen entity, or all that say the same. */
  #some() {
    const one = this.#one;
    const some = one ? this.#note.alike([one], this.#all) : [];
    this.#all = false;
    return some;
  }

  label(name) {
    const note = this.#note;
    const place = this.#place();
    if (!place) {
      note.relabel(this.#some(), name);
      this.render(true);
      return;
    }
    const again = this.#all ? occurrences(note.text, note.text.slice(place.start, place.end)) : [];
    const free = again.filter((other) => !overlap(other, place) && !note.entities.some((one) => one.label === name && overlap(one, other)));
    const added = note.add([place, ...free], name);
    this.#all = false;
    const chosen = note.entities.find((one) => one.start === place.start && one.end === place.end && one.label === name);
    if (!added.length) tell("that is marked already");
    this.choose(chosen);
  }

  accept() {
    const one = this.#one;
    if (!one) return;
    const some = this.#some();
    if (some.some((each) => !each.accepted)) this.#note.accept(some);
    // Filtered by "not yet accepted", the accepted one is no longer in the list.
    this.#filter();
    this.#go(1);
    this.render(true);
  }

  remove() {
    const one = this.#one;
    if (!one) return;
    const some = this.#some();
    const gone = new Set(some.map((each) => each.id));
    const next = this.#shown.find((other) => !gone.has(other.id) && other.start >= one.start) ?? null;
    this.#note.remove(some);
    this.choose(next);
  }

  #describe(name, valueFor) {
    const one = this.#one;
    if (!one) return;
    this.#note.describe(this.#some(), name, valueFor(one));
    this.render(true);
  }

  #cycle(number) {
    const one = this.#one;
    const declared = one && this.#note.labelOf(one.label)?.attributes[number];
    if (!declared) {
      tell(one ? `${one.label} has no such attribute` : "choose an entity first");
      return;
    }
    const { name, values } = declared;
    this.#describe(name, () => values[(values.indexOf(one.attributes[name]) + 1) % values.length]);
  }

  /** Moves a boundary of the chosen entity, or of the selection, by a word or a character. */
  move(side, way, character) {
    const one = this.#one;
    const from = this.#place() ?? one;
    if (!from) return;
    const { text } = this.#note;
    let { start, end } = from;
    if (side === "start") start = character ? (way < 0 ? stepLeft : stepRight)(text, start) : (way < 0 ? previousStart : nextStart)(text, start);
    else end = character ? (way < 0 ? stepLeft : stepRight)(text, end) : (way < 0 ? previousEnd : nextEnd)(text, end);
    if (start >= end) return;
    if (this.#pending) {
      this.exact = character;
      this.#view.select(start, end);
      // The browser tells of the selection later, and the next key may come before.
      this.#selected();
    } else {
      this.#note.move(one, start, end);
      this.render(true);
    }
  }

  /** Selects words without a mouse. */
  #cursor(way) {
    const { text } = this.#note;
    const from = this.#pending ?? this.#one ?? { start: this.#view.visible(this.#top(), this.#bottom()).start };
    let start;
    if (way < 0) start = previousStart(text, from.start);
    else if (from.end === undefined) start = firstStart(text, from.start);
    else start = nextStart(text, previousStart(text, from.end));
    if (start >= text.length) return;
    this.#view.select(start, nextEnd(text, start));
    this.#selected();
    this.#view.reveal(start, nextEnd(text, start), this.#top(), this.#bottom());
    $("spoken").textContent = text.slice(start, nextEnd(text, start));
  }

  #extend(way) {
    if (!this.#pending) this.#cursor(way);
    else this.move("end", way, false);
    if (this.#pending) $("spoken").textContent = this.#note.text.slice(this.#pending.start, this.#pending.end);
  }

  #step(way) {
    const was = new Map(this.#note.entities.map((one) => [one.id, one]));
    if (!(way < 0 ? this.#note.undo() : this.#note.redo())) {
      tell(way < 0 ? "nothing to undo" : "nothing to do again");
      return;
    }
    const touched = this.#note.entities.find((one) => was.get(one.id) !== one);
    if (touched) this.choose(touched);
    else this.choose(this.#one);
  }

  acceptNote() {
    this.#note.acceptNote();
    this.render();
    this.#saver.save();
  }

  async #history() {
    const versions = await this.api.history(this.key);
    const list = (versions.versions ?? versions).toSorted((a, b) => b.version - a.version);
    const chosen = await choosePast(list, this.#note.version);
    if (chosen === null) return;
    const old = await this.api.version(this.key, chosen, this.offsets);
    this.#note.change(`version ${chosen} is back`, old.entities.map(entity));
    this.choose(null);
  }

  // Hearing the person

  #listen() {
    const text = $("text");
    // The labels may take more than one row, and what sticks below them must know.
    new ResizeObserver(([{ target }]) => document.documentElement.style.setProperty("--bar", `${target.offsetHeight}px`))
      .observe(document.querySelector(".bar"));
    text.addEventListener("pointerdown", (event) => { this.#pointer = true; this.exact = event.altKey; });
    document.addEventListener("pointerup", () => {
      if (!this.#pointer) return;
      this.#pointer = false;
      setTimeout(() => this.open && this.#pop());
    });
    text.addEventListener("click", (event) => { if (!this.#view.selection()) this.#pick(event.clientX, event.clientY); });
    document.addEventListener("selectionchange", () => this.#selected());
    // A button that takes the focus would take the selection with it.
    for (const bar of [$("labels"), $("pop"), $("scope")]) bar.addEventListener("mousedown", (event) => event.preventDefault());
    for (const id of ["filter-text", "filter-score"]) $(id).addEventListener("input", () => this.render());
    for (const id of ["filter-label", "filter-open", "filter-screen"]) $(id).addEventListener("change", () => this.render());
    let waiting = false;
    document.addEventListener("scroll", () => {
      $("pop").hidden = true;
      if (waiting || !this.open || !$("filter-screen").checked) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; if (this.open) this.render(); });
    }, { passive: true });
    const clicks = {
      scope: () => { this.#all = !this.#all; this.#buttons(this.#one); },
      undo: () => this.#step(-1), redo: () => this.#step(1),
      "accept-note": () => this.acceptNote(), history: () => this.#history(),
      "bulk-accept": () => { this.#note.accept(this.#shown); this.render(); },
      "bulk-delete": () => { this.#note.remove(this.#shown); this.choose(null); },
      fixed: () => { $("fixed").setAttribute("aria-pressed", String(text.classList.toggle("fixed"))); },
    };
    for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", act);
    $("bulk-label").addEventListener("change", (event) => {
      if (event.target.value) this.#note.relabel(this.#shown, event.target.value);
      event.target.value = "";
      this.render();
    });
  }

  /** Obeys a command of keys.js; false when it is none of this page's part. */
  obey(command, key) {
    const character = key === "character";
    const acts = {
      next: () => this.#go(1), previous: () => this.#go(-1), nextOpen: () => this.#go(1, (one) => !one.accepted),
      search: () => $("filter-text").focus(),
      label: () => this.#note.labels[key - 1] && this.label(this.#note.labels[key - 1].name),
      anyLabel: async () => {
        const place = this.#place();
        const name = await chooseLabel(this.#note.labels, this.styleOf);
        if (place) this.#pending = place;
        if (name) this.label(name);
      },
      accept: () => this.accept(), remove: () => this.remove(),
      attribute1: () => this.#cycle(0), attribute2: () => this.#cycle(1),
      scope: () => $("scope").click(), acceptNote: () => this.acceptNote(),
      undo: () => this.#step(-1), redo: () => this.#step(1),
      startLeft: () => this.move("start", -1, character), startRight: () => this.move("start", 1, character),
      endLeft: () => this.move("end", -1, character), endRight: () => this.move("end", 1, character),
      cursorRight: () => this.#cursor(1), cursorLeft: () => this.#cursor(-1),
      extendRight: () => this.#extend(1), extendLeft: () => this.#extend(-1),
      save: () => { this.#saver.save(); tell(this.#saver.dirty ? "saving" : "all is saved"); },
      escape: () => this.choose(null),
    };
    if (!(command in acts)) return false;
    acts[command]();
    return true;
  }
}
