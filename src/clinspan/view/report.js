"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const stops = all("mark[id]");
  const boxes = all("input[data-label]");
  const tip = document.getElementById("tip");

  // Filter: a class on the root switches a label off; what is off is no tab stop either.
  function filter() {
    for (const box of boxes) {
      root.classList.toggle("off-" + box.dataset.label, !box.checked);
    }
    let shown = 0;
    for (const mark of stops) {
      const hidden = isOff(mark);
      mark.tabIndex = hidden ? -1 : 0;
      shown += hidden ? 0 : 1;
    }
    document.getElementById("shown").textContent = `${shown} of ${stops.length} entities shown`;
    hide();
  }
  function isOff(mark) { return [...mark.classList].some((name) => root.classList.contains("off-" + name)); }
  boxes.forEach((box) => box.addEventListener("change", filter));
  all("button[data-all]").forEach((button) => button.addEventListener("click", () => {
    boxes.forEach((box) => { box.checked = button.dataset.all !== ""; });
    filter();
  }));
  all("input[data-view]").forEach((box) => box.addEventListener("change", () => {
    root.classList.toggle(box.dataset.view, box.checked);
    filter();
  }));
  all("input[data-find]").forEach((input) => input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    all("nav li").forEach((item) => { item.hidden = !item.textContent.toLowerCase().includes(wanted); });
  }));
  if (matchMedia("(max-width: 760px)").matches && all("nav li").length > 12) {
    document.querySelector(".list").open = false;
  }

  // What is known of an entity stands in its note's table; the tip shows that row, and those of the entities around.
  let current = null;
  let timer = 0;
  function line(text, tag = "p") {
    const element = document.createElement(tag);
    element.textContent = text;
    return element;
  }
  function card(mark) {
    const [name, label, score, match, place, concepts, attributes] = document.getElementById(mark.dataset.e + "r").cells;
    const box = document.createElement("div");
    const kind = match.querySelector("span");
    const first = line("");
    first.append(line(name.textContent, "b"), " ", line(label.textContent, "span"));
    const about = match.textContent === kind.textContent ? ` (${kind.title})` : "";
    box.append(first, line(`score: ${score.textContent}`), line(`match: ${match.textContent}${about}`));
    box.append(line(place.textContent));
    all(".concept", concepts).forEach((concept) => box.append(concept.cloneNode(true)));
    all(".attribute", attributes).forEach((attribute) => box.append(attribute.cloneNode(true)));
    return box;
  }
  function show(mark) {
    clearTimeout(timer);
    while (mark && isOff(mark)) mark = mark.parentElement.closest("mark");
    if (!mark || mark === current) return;
    hide();
    current = mark;
    const seen = new Set();
    for (let at = mark; at; at = at.parentElement.closest("mark")) {
      if (!isOff(at) && !seen.has(at.dataset.e)) tip.append(card(at));
      seen.add(at.dataset.e);
    }
    all(`mark[data-e="${mark.dataset.e}"]`).forEach((piece) => piece.classList.add("hot"));
    mark.setAttribute("aria-describedby", "tip");
    tip.hidden = false;
    const place = mark.getClientRects()[0];
    const left = Math.min(place.left, innerWidth - tip.offsetWidth - 8);
    const below = mark.getBoundingClientRect().bottom + 6;
    const fits = below + tip.offsetHeight < innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${fits ? below : Math.max(8, place.top - tip.offsetHeight - 6)}px`;
  }
  function hide() {
    clearTimeout(timer);
    if (!current) return;
    all("mark.hot").forEach((piece) => piece.classList.remove("hot"));
    current.removeAttribute("aria-describedby");
    current = null;
    tip.hidden = true;
    tip.replaceChildren();
  }
  const later = () => { clearTimeout(timer); timer = setTimeout(hide, 250); };
  const markOf = (event) => event.target instanceof Element ? event.target.closest(".text mark") : null;
  document.addEventListener("mouseover", (event) => {
    const mark = markOf(event);
    if (mark) show(mark);
    else if (tip.contains(event.target)) clearTimeout(timer);
    else if (current && current !== document.activeElement) later();
  });
  document.addEventListener("click", (event) => { const mark = markOf(event); if (mark) show(mark); });
  document.addEventListener("focusin", (event) => { const mark = markOf(event); if (mark) show(mark); else hide(); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("scroll", (event) => {
    if (current && event.target === document && current !== document.activeElement) hide();
  }, { passive: true });
  // On paper nothing can be unfolded, and a page should say how it was made.
  addEventListener("beforeprint", () => { document.querySelector(".made").open = true; });
  filter();
})();
