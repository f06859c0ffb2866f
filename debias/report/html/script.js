"use strict";
addEventListener("DOMContentLoaded", () => {
  // Tooltips of marks, and the marks of one series together.
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  document.body.append(tip);

  let shown = null;

  const place = (mark) => {
    const box = mark.getBoundingClientRect();
    const own = tip.getBoundingClientRect();
    const left = box.left + box.width / 2 - own.width / 2;
    const above = box.top - own.height - 8;
    tip.style.left = `${Math.max(8, Math.min(left, document.documentElement.clientWidth - own.width - 8))}px`;
    tip.style.top = `${above < 8 ? box.bottom + 8 : above}px`;
  };

  const hide = () => {
    if (!shown) return;
    const drawing = shown.ownerSVGElement;
    shown.classList.remove("here");
    drawing.classList.remove("chosen");
    drawing.querySelectorAll(".chosen").forEach((one) => one.classList.remove("chosen"));
    shown = null;
    tip.hidden = true;
  };

  const show = (mark) => {
    if (mark === shown) return;
    hide();
    shown = mark;
    mark.classList.add("here");
    const series = mark.dataset.series;
    if (series !== undefined) {
      const drawing = mark.ownerSVGElement;
      drawing.classList.add("chosen");
      drawing.querySelectorAll(".mark").forEach((one) => {
        one.classList.toggle("chosen", one.dataset.series === series);
      });
    }
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    place(mark);
  };

  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest?.("[data-tip]");
    if (mark) show(mark);
    else hide();
  });
  document.addEventListener("scroll", () => shown && place(shown), { capture: true, passive: true });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
  });

  // A chart is one stop of the Tab key; the arrows go from mark to mark.
  document.querySelectorAll(".drawing > svg").forEach((drawing) => {
    const marks = [...drawing.querySelectorAll("[data-tip]")];
    if (!marks.length) return;
    // The browser's own tooltip would stand over this one.
    marks.forEach((mark) => mark.querySelector(":scope > title")?.remove());
    const name = drawing.querySelector(":scope > title");
    if (name?.id) {
      drawing.setAttribute("aria-label", name.textContent);
      drawing.removeAttribute("aria-labelledby");
      const told = drawing.querySelector(":scope > desc");
      if (told?.id) drawing.setAttribute("aria-describedby", told.id);
    }
    name?.remove();
    drawing.tabIndex = 0;
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const end = { Home: 0, End: marks.length - 1 }[event.key];
      if (step === undefined && end === undefined) return;
      event.preventDefault();
      const at = marks.indexOf(shown);
      show(marks[end ?? (at < 0 ? 0 : (at + step + marks.length) % marks.length)]);
    });
    drawing.addEventListener("blur", hide);
  });

  // Where the reader is, in the contents.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new Set();
  const watch = new IntersectionObserver((entries) => {
    entries.forEach((entry) => (entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id)));
    const first = [...links.keys()].find((id) => seen.has(id));
    links.forEach((link, id) => {
      if (id === first) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    });
  }, { rootMargin: "-10% 0px -60% 0px" });
  links.forEach((_, id) => {
    const chapter = document.getElementById(id);
    if (chapter) watch.observe(chapter);
  });

  // Nothing stays folded on paper.
  addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((one) => (one.open = true));
  });
});
