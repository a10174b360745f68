/** Two people's versions of a note, place by place. */

import { saidOf } from "./note.js";

const keyed = (some) => new Map(some.map((one) => [saidOf(one), one]));
const sameSet = (a, b) => a.length === b.length && a.every((one) => b.some((other) => saidOf(one) === saidOf(other)));

/**
 * Where two versions differ. Differences that overlap are one place.
 *
 * @param base the entities that both began with; null where that is not known
 * @returns {{start, end, mine, theirs, choice, both}[]} `choice`: what is kept unless a person chooses otherwise: the
 *   side that changed something; `both`: each side changed it
 */
export function differences(base, mine, theirs) {
  const [ours, others] = [keyed(mine), keyed(theirs)];
  const apart = [
    ...mine.filter((one) => !others.has(saidOf(one))).map((one) => ({ one, side: "mine" })),
    ...theirs.filter((one) => !ours.has(saidOf(one))).map((one) => ({ one, side: "theirs" })),
  ].sort((a, b) => a.one.start - b.one.start || a.one.end - b.one.end);
  const places = [];
  for (const { one, side } of apart) {
    let place = places.at(-1);
    if (!place || one.start >= place.end) {
      place = { start: one.start, end: one.end, mine: [], theirs: [] };
      places.push(place);
    }
    place.end = Math.max(place.end, one.end);
    place[side].push(one);
  }
  // What both sides still have is no part of a difference.
  const before = (base ?? []).filter((one) => !(ours.has(saidOf(one)) && others.has(saidOf(one))));
  for (const place of places) {
    const was = before.filter((one) => one.start < place.end && one.end > place.start);
    const [me, them] = [!base || !sameSet(place.mine, was), !base || !sameSet(place.theirs, was)];
    place.both = me && them;
    place.choice = me ? "mine" : "theirs";
  }
  return places;
}

/** The entities that remain when each place is decided: by `choice`, which is mine, theirs or all. */
export function merged(mine, theirs, places) {
  const others = keyed(theirs);
  const common = mine.filter((one) => others.has(saidOf(one)));
  const kept = places.flatMap(({ choice, mine: a, theirs: b }) =>
    (choice === "mine" ? a : choice === "theirs" ? b : [...a, ...b]));
  return [...common, ...kept];
}
