/** Saves a note soon after each change, and keeps in this browser what the service does not have yet. */

import { Away } from "./api.js";
import { distinct, saidOf } from "./note.js";

const SOON = 800; // milliseconds after the last change
const DRAFT_SOON = 250;
const LONGEST_WAIT = 30_000;
const BODY_OF_A_CLOSING_PAGE = 60_000; // browsers drop more
const BYTES_OF_AN_ENTITY = 150;
// With the text's hash: the same address may serve other notes another day.
const DRAFT = "clinspan:draft:";
const at = ({ key, hash }) => `${DRAFT}${key}:${hash}`;
const ticksAt = ({ key, hash }) => `clinspan:ticks:${key}:${hash}`;
const place = ({ start, end, label }) => `${start} ${end} ${label}`;

/** What of an entity is kept. No text: places and labels alone. */
const kept = ({ id, ...one }) => one;
const sameEntities = (a, b) =>
  a.length === b.length && JSON.stringify(a.map(saidOf).sort()) === JSON.stringify(b.map(saidOf).sort());

/** Unsaved work of a note that this browser has, or null. */
export function draftOf(note) {
  const found = localStorage.getItem(at(note));
  if (!found) return null;
  const draft = JSON.parse(found);
  const state = draft.state === "new" ? "changed" : draft.state;
  // A closing page keeps its work before its last save, and does not hear whether that arrived.
  if (state !== note.state || !sameEntities(distinct(draft.entities), note.entities)) return draft;
  localStorage.removeItem(at(note));
  return null;
}

/** Whether this browser has unsaved work of another text under the note's key. It is left as it is. */
export const hasStranger = (note) =>
  Object.keys(localStorage).some((name) => name.startsWith(`${DRAFT}${note.key}:`) && name !== at(note));

/** Which of the entities were accepted one by one in this browser. */
export function ticksOf(note) {
  return new Set(JSON.parse(localStorage.getItem(ticksAt(note)) ?? "[]"));
}

export const ticked = (ticks, one) => ticks.has(place(one));

export class Saver {
  #timer = 0;
  #draftTimer = 0;
  #running = null;
  #waits = 1000;
  #change = 0;
  #saved = 0;

  /**
   * @param told is called with (state, words): saved, changed, saving, away, conflict or refused
   * @param conflict is called with what somebody else saved: {version, by, at, entities, state}
   */
  constructor({ api, note, offsets, by, told, conflict }) {
    Object.assign(this, { api, note, offsets, by, told, conflict });
    this.base = note.entities;
    this.blocked = false;
  }

  get dirty() { return this.#change !== this.#saved; }

  /** The note was changed. */
  changed() {
    this.#change += 1;
    clearTimeout(this.#draftTimer);
    this.#draftTimer = setTimeout(() => this.keep(), DRAFT_SOON);
    if (this.blocked) return;
    this.told("changed", "Not saved yet");
    this.#later(SOON);
  }

  #later(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.save(), wait);
  }

  /** Keeps what is unsaved in this browser. */
  keep() {
    clearTimeout(this.#draftTimer);
    const { note } = this;
    const { version, hash, state, entities } = note;
    try {
      const ticks = entities.filter((one) => one.accepted).map(place);
      if (ticks.length) localStorage.setItem(ticksAt(note), JSON.stringify(ticks));
      else localStorage.removeItem(ticksAt(note));
      if (!this.dirty) {
        localStorage.removeItem(at(note));
        return;
      }
      const draft = { version, hash, state, at: new Date().toISOString(), by: this.by() };
      localStorage.setItem(at(note), JSON.stringify({ ...draft, entities: entities.map(kept), base: this.base.map(kept) }));
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      this.told("refused", "This browser's storage is full: keep the page open until it says Saved");
    }
  }

  /** Saves now; one save at a time. */
  save(closing = false) {
    this.#running ??= this.#save(closing).finally(() => { this.#running = null; });
    return this.#running;
  }

  async #save(closing) {
    clearTimeout(this.#timer);
    while (this.dirty && !this.blocked) {
      const { note } = this;
      const [sent, entities, state] = [this.#change, distinct(note.entities), note.state === "new" ? "changed" : note.state];
      this.told("saving", "Saving …");
      try {
        const body = { version: note.version, hash: note.hash, by: this.by(), state, entities };
        this.#done(sent, entities, await this.api.save(note.key, this.offsets, body, closing));
      } catch (error) {
        if (!this.#failed(error, sent, entities, state)) return;
      }
    }
  }

  #done(sent, entities, { version, at: when }) {
    this.note.version = version;
    this.base = entities;
    this.#saved = sent;
    this.#waits = 1000;
    this.keep();
    this.told("saved", `Saved ${timeOf(when)}`);
  }

  /** Deals with a save that did not succeed; true when the loop may go on. */
  #failed(error, sent, entities, state) {
    this.keep();
    if (error instanceof Away) {
      const wait = error.wait ? error.wait * 1000 : this.#waits;
      this.#waits = Math.min(2 * this.#waits, LONGEST_WAIT);
      this.told("away", "The service is away: your changes are kept in this browser and sent as soon as it is back");
      this.#later(wait);
      return false;
    }
    if (error.status === 409 && error.body?.entities) {
      const theirs = error.body;
      // The answer to our own last save may have been lost on its way.
      if (theirs.by === this.by() && theirs.state === state && sameEntities(theirs.entities, entities)) {
        this.#done(sent, entities, theirs);
        return true;
      }
      this.blocked = true;
      this.told("conflict", `${theirs.by} saved this note too: choose what to keep`);
      this.conflict(theirs);
      return false;
    }
    if (error.status === undefined) throw error;
    this.told("refused", `Not saved: ${error.message}. Your changes are kept in this browser`);
    return false;
  }

  /** Goes on after a conflict: the note now stands on the version that somebody else saved. */
  settled(version, theirs) {
    this.note.version = version;
    this.base = theirs;
    this.blocked = false;
    this.#change += 1;
    return this.save();
  }

  /** The page is being closed or put aside: what can still be sent is sent, and all of it is kept. */
  leave() {
    this.keep();
    if (!this.dirty || this.blocked || this.#running) return;
    this.save(this.note.entities.length * BYTES_OF_AN_ENTITY < BODY_OF_A_CLOSING_PAGE);
  }

  /** Stops for good. */
  close() {
    this.keep();
    this.blocked = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#draftTimer);
  }
}

/** A time of today as 14:05, others with their day. */
export function timeOf(when) {
  const date = new Date(when);
  if (Number.isNaN(date.getTime())) return "";
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(undefined, today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}
