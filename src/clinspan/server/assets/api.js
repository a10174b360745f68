/** The routes of the service. Offsets go out and come in as code points; the page knows UTF-16 units alone. */

import { Offsets } from "./offsets.js";

const TOKEN = "clinspan:token";

/** The service cannot be reached, or is ending. */
export class Away extends Error {}

/** The service answered, and not as was asked. */
export class Refused extends Error {
  constructor(status, body, wait) {
    super(Refused.said(status, body));
    Object.assign(this, { status, body, wait });
  }

  static said(status, body) {
    const error = body?.error ?? body?.detail;
    if (typeof error === "string") return error;
    const parts = [error?.what, error?.where, error?.fix].filter(Boolean);
    return parts.length ? parts.join(" — ") : `the service answered ${status}`;
  }
}

export class Api {
  /** @param askToken gives a promise of a token, when the service wants one */
  constructor(askToken) {
    this.askToken = askToken;
  }

  async #ask(method, path, body, keepalive = false) {
    const headers = { Accept: "application/json" };
    const token = sessionStorage.getItem(TOKEN);
    if (token) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    let answer;
    let given = null;
    try {
      answer = await fetch(path, { method, headers, keepalive, cache: "no-store", body: body && JSON.stringify(body) });
      given = await answer.json();
    } catch (error) {
      if (!answer) throw new Away(error.message);
      if (!(error instanceof SyntaxError)) throw new Away(error.message);
    }
    if (answer.ok) return given;
    if (answer.status === 401) {
      // A request that failed beside this one may have been given a token meanwhile.
      if (sessionStorage.getItem(TOKEN) === token) sessionStorage.setItem(TOKEN, await this.askToken(Boolean(token)));
      return this.#ask(method, path, body, keepalive);
    }
    const wait = Number(answer.headers.get("Retry-After"));
    if ([429, 502, 503, 504].includes(answer.status)) throw Object.assign(new Away(Refused.said(answer.status, given)), { wait });
    throw new Refused(answer.status, given, wait);
  }

  notes({ state = "", q = "", offset = 0, limit = 100 }) {
    const asked = new URLSearchParams({ offset, limit });
    if (state) asked.set("state", state);
    if (q) asked.set("q", q);
    return this.#ask("GET", `review/notes?${asked}`);
  }

  async note(key) {
    const given = await this.#ask("GET", noteAt(key));
    const offsets = new Offsets(given.text);
    const unread = (given.windows_not_read ?? []).map((one) => inUnits(offsets, one));
    const labels = given.labels.map((label) => ({ ...label, attributes: label.attributes ?? [] }));
    // A label that the set no longer has still stands in old versions.
    for (const { label } of given.entities) {
      if (!labels.some(({ name }) => name === label)) labels.push({ name: label, definition: "", attributes: [] });
    }
    return { ...given, key, labels, unread, offsets, entities: given.entities.map((one) => inUnits(offsets, one)) };
  }

  /** Saves a version; a version that somebody else saved meanwhile is a `Refused` of status 409, in units too. */
  async save(key, offsets, { version, hash, by, state, entities }, keepalive = false) {
    const sent = entities.map((one) => inPoints(offsets, one));
    try {
      return await this.#ask("PUT", noteAt(key), { version, hash, by, state, entities: sent }, keepalive);
    } catch (error) {
      if (error instanceof Refused && error.status === 409 && error.body?.entities) {
        error.body.entities = error.body.entities.map((one) => inUnits(offsets, one));
      }
      throw error;
    }
  }

  history(key) { return this.#ask("GET", `${noteAt(key)}/history`); }

  async version(key, number, offsets) {
    const given = await this.#ask("GET", `${noteAt(key)}/history/${number}`);
    return { ...given, entities: given.entities.map((one) => inUnits(offsets, one)) };
  }

  /** @param after the keys of notes that are passed over */
  next(after) { return this.#ask("GET", `review/next?${new URLSearchParams(after.map((key) => ["after", key]))}`); }
  summary() { return this.#ask("GET", "review/summary"); }
  loop() { return this.#ask("POST", "review/loop", { pool: true, gold: true }); }
}

const noteAt = (key) => `review/notes/${encodeURIComponent(key)}`;

/** An entity or a window with its offsets in units. */
function inUnits(offsets, { id, fragments, ...one }) {
  const parts = (fragments ?? []).map(([start, end]) => ({ start: offsets.units(start), end: offsets.units(end) }));
  return { ...one, name: id ?? null, parts, start: offsets.units(one.start), end: offsets.units(one.end) };
}

/** What is sent of an entity. */
function inPoints(offsets, { start, end, label, attributes, name, parts }) {
  const sent = { start: offsets.points(start), end: offsets.points(end), label, attributes };
  if (name) sent.id = name;
  if (parts.length) sent.fragments = parts.map((part) => [offsets.points(part.start), offsets.points(part.end)]);
  return sent;
}
