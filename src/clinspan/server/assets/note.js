/** A note under correction: its entities, what was done to them, and the way back. Knows neither page nor service. */

import { termOf } from "./words.js";

let made = 0;

/**
 * An entity, never changed once made. Offsets are UTF-16 units.
 *
 * `id` is this page's own, `name` what the service calls it; `parts` are the pieces of one that has gaps; `accepted` says
 * that a person has looked at it.
 */
export function entity(given) {
  const { start, end, label, name = null, attributes = {}, parts = [], score = null, source = null, match = null, concepts = [] } = given;
  made += 1;
  return Object.freeze({
    id: made, name, start, end, label, attributes: Object.freeze({ ...attributes }), parts,
    score, source, match, concepts, accepted: Boolean(given.accepted),
  });
}

/** Entities without a second one of the same label at the same place. */
export function distinct(entities) {
  const places = new Map(entities.toReversed().map((one) => [JSON.stringify([one.start, one.end, one.label, one.parts]), one]));
  return entities.filter((one) => places.get(JSON.stringify([one.start, one.end, one.label, one.parts])) === one);
}

/** What the service keeps of an entity, as one string. */
export function saidOf({ start, end, label, attributes }) {
  const pairs = Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([start, end, label, pairs]);
}

const byPlace = (a, b) => a.start - b.start || b.end - a.end || (a.label < b.label ? -1 : a.label > b.label ? 1 : 0);
const MOST_STEPS = 1000;

export class Note {
  #past = [];
  #future = [];
  #terms = new WeakMap();

  /**
   * @param given key, id, text, version, hash, state, entities, labels and unread windows, offsets in units
   * @param changed is called with what was done, after every change
   */
  constructor(given, changed = () => {}) {
    Object.assign(this, { key: given.key, id: given.id, text: given.text, hash: given.hash, labels: given.labels });
    this.version = given.version;
    this.state = given.state;
    this.unread = given.unread ?? [];
    this.entities = Object.freeze(given.entities.map(entity).sort(byPlace));
    this.changed = changed;
  }

  textOf(one) {
    return this.text.slice(one.start, one.end);
  }

  /** What all mentions of the same term have in common. */
  termOf(one) {
    if (!this.#terms.has(one)) this.#terms.set(one, termOf(this.textOf(one)));
    return this.#terms.get(one);
  }

  labelOf(name) {
    return this.labels.find((label) => label.name === name);
  }

  /** The attributes that an entity of a label has: of `old` those that the label knows, else their defaults. */
  attributesFor(name, old = {}) {
    const attributes = {};
    const declared = this.labelOf(name)?.attributes ?? [];
    for (const { name: key, values, default: usual } of declared) {
      if (values.includes(old[key])) attributes[key] = old[key];
      else if (usual !== null && usual !== undefined) attributes[key] = usual;
    }
    return attributes;
  }

  /** Entities that say the same as one of `some`, or `some` itself when `all` is false. */
  alike(some, all) {
    if (!all) return some;
    const terms = new Set(some.map((one) => this.termOf(one)));
    return this.entities.filter((one) => terms.has(this.termOf(one)));
  }

  /** Puts other entities in place, as one step. */
  change(said, entities, state = "changed") {
    this.#past.push({ entities: this.entities, state: this.state, said });
    if (this.#past.length > MOST_STEPS) this.#past.shift();
    this.#future = [];
    this.entities = Object.freeze([...entities].sort(byPlace));
    this.state = state;
    this.changed(said);
  }

  #edit(said, some, edited) {
    const ids = new Set(some.map((one) => one.id));
    if (ids.size === 0) return [];
    const changed = [];
    const entities = this.entities.map((one) => {
      if (!ids.has(one.id)) return one;
      const next = edited(one);
      changed.push(next);
      return next;
    });
    this.change(said, entities);
    return changed;
  }

  /** Adds an entity at each place that does not have it yet; gives those added. */
  add(places, label) {
    const taken = new Set(this.entities.map((one) => `${one.start} ${one.end} ${one.label}`));
    const attributes = this.attributesFor(label);
    const added = places
      .filter(({ start, end }) => !taken.has(`${start} ${end} ${label}`))
      .map(({ start, end }) => entity({ start, end, label, attributes, source: "you", accepted: true }));
    if (added.length) this.change(`${count(added)} added as ${label}`, [...this.entities, ...added]);
    return added;
  }

  relabel(some, label) {
    const other = some.filter((one) => one.label !== label);
    return this.#edit(`${count(other)} relabelled as ${label}`, other, (one) =>
      byHand(one, { label, attributes: this.attributesFor(label, one.attributes) }));
  }

  move(one, start, end) {
    if (start < 0 || end > this.text.length || !this.text.slice(start, end).trim()) return [];
    if (start === one.start && end === one.end) return [];
    return this.#edit("boundary moved", [one], () => byHand(one, { start, end, parts: [], concepts: [] }));
  }

  /** Sets an attribute of those entities whose label declares it with that value. */
  describe(some, name, value) {
    const able = some.filter((one) => one.attributes[name] !== value &&
      this.labelOf(one.label)?.attributes.some((known) => known.name === name && known.values.includes(value)));
    return this.#edit(`${name}: ${value}, for ${count(able)}`, able, (one) =>
      ({ ...one, attributes: Object.freeze({ ...one.attributes, [name]: value }), accepted: true }));
  }

  remove(some) {
    const ids = new Set(some.map((one) => one.id));
    if (ids.size) this.change(`${count(some)} deleted`, this.entities.filter((one) => !ids.has(one.id)));
  }

  accept(some, yes = true) {
    const other = some.filter((one) => one.accepted !== yes);
    const said = `${count(other)} ${yes ? "accepted" : "no longer accepted"}`;
    return this.#edit(said, other, (one) => ({ ...one, accepted: yes }));
  }

  /** The whole note is right as it stands. */
  acceptNote() {
    const accepted = this.entities.map((one) => (one.accepted ? one : { ...one, accepted: true }));
    this.change("note accepted", accepted, "accepted");
  }

  get canUndo() { return this.#past.length > 0; }
  get canRedo() { return this.#future.length > 0; }

  undo() { return this.#step(this.#past, this.#future, "undone"); }
  redo() { return this.#step(this.#future, this.#past, "done again"); }

  #step(from, to, how) {
    const step = from.pop();
    if (!step) return false;
    to.push({ entities: this.entities, state: this.state, said: step.said });
    this.entities = step.entities;
    // The service has later versions than the state that is gone back to.
    this.state = step.state === "new" ? "changed" : step.state;
    this.changed(`${how}: ${step.said}`);
    return true;
  }
}

const count = (some) => (some.length === 1 ? "1 entity" : `${some.length} entities`);

/** An entity that a person changed: what a model said of it no longer holds. It keeps its id. */
const byHand = (one, changed) =>
  Object.freeze({ ...one, score: null, match: null, source: "you", accepted: true, ...changed });
