// Long tables: rows sorted by a column, found by words, chosen by what a column says; a part of them at a time.
// What is not shown is never laid out: the rows wait, unseen, until it is known which are shown.
document.documentElement.classList.add("scripted");
addEventListener("DOMContentLoaded", () => {
  const STEP = 250;
  const LEAP = 2000;
  const NONE = "–";
  const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const count = new Intl.NumberFormat("en");
  const plain = (text) => text.normalize("NFKC").toLowerCase();

  const begin = (box) => {
    const table = box.querySelector("table");
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...body.rows];
    const find = box.querySelector("input");
    const picks = [...box.querySelectorAll("select")];
    const told = box.querySelector("[role=status]");
    const [more, many] = box.querySelectorAll(".more button");
    let order = rows;
    let sorted = null;
    let most = STEP;

    // What a row says, read once it is asked for.
    const texts = new Map();
    const textOf = (row) => {
      if (!texts.has(row)) texts.set(row, plain([...row.cells].map((cell) => cell.textContent).join("\n")));
      return texts.get(row);
    };
    const keys = new Map();
    const keysOf = (column) => {
      if (!keys.has(column)) {
        const found = new Map();
        rows.forEach((row) => {
          const number = row.cells[column].querySelector("data");
          const text = row.cells[column].textContent;
          found.set(row, number ? Number(number.value) : text === NONE ? null : text);
        });
        keys.set(column, found);
      }
      return keys.get(column);
    };

    // What is undefined stays last, whichever way; words stay behind numbers.
    const compare = (one, other, way) => {
      if (one === null || other === null) return (one === null) - (other === null);
      if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
      return way * (typeof one === "number" ? one - other : words.compare(one, other));
    };

    const show = () => {
      const wanted = plain(find.value).split(/\s+/).filter(Boolean);
      const chosen = picks.filter((pick) => pick.value).map((pick) => [pick.dataset.column, pick.selectedOptions[0].said]);
      const fitting = order.filter((row) =>
        chosen.every(([column, text]) => row.cells[column].textContent === text) &&
        wanted.every((word) => textOf(row).includes(word)));
      const piece = document.createDocumentFragment();
      piece.append(...fitting.slice(0, most));
      body.replaceChildren(piece);
      const left = fitting.length - body.rows.length;
      more.parentElement.hidden = left <= 0;
      more.textContent = `Show ${count.format(Math.min(STEP, left))} more`;
      many.textContent = left > LEAP ? `Show ${count.format(LEAP)} more` : `Show all ${count.format(fitting.length)}`;
      const by = sorted ? `, sorted by ${sorted.head.innerText}, ${sorted.way > 0 ? "ascending" : "descending"}` : "";
      told.textContent = `${count.format(fitting.length)} of ${count.format(rows.length)} rows` +
        `${left > 0 ? `, the first ${count.format(body.rows.length)} shown` : ""}${by}.`;
    };

    const sort = (head, column) => {
      const way = sorted?.head !== head ? 1 : sorted.way > 0 ? -1 : 0;
      sorted?.head.removeAttribute("aria-sort");
      sorted = way ? { head, way } : null;
      order = rows;
      if (way) {
        head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
        const key = keysOf(column);
        order = [...rows].sort((one, other) => compare(key.get(one), key.get(other), way));
      }
      most = STEP;
      show();
    };

    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(head, column));
    });
    picks.forEach((pick) => {
      const found = new Map();
      rows.forEach((row) => {
        const text = row.cells[pick.dataset.column].textContent;
        found.set(text, (found.get(text) ?? 0) + 1);
      });
      [...found].sort(([one], [other]) => words.compare(one, other)).slice(0, 500).forEach(([text, times], place) => {
        const option = new Option(`${text} (${count.format(times)})`, place + 1);
        option.said = text;
        pick.add(option);
      });
      pick.addEventListener("change", () => { most = STEP; show(); });
    });
    let waiting = 0;
    find.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { most = STEP; show(); }, 120);
    });
    const reset = () => {
      find.value = "";
      picks.forEach((pick) => (pick.selectedIndex = 0));
      most = STEP;
      show();
    };
    box.querySelector(".reset").addEventListener("click", reset);
    more.addEventListener("click", () => { most += STEP; show(); });
    many.addEventListener("click", () => { most += LEAP; show(); });

    // On paper stand all rows that were chosen.
    let before = STEP;
    addEventListener("beforeprint", () => { before = most; most = Infinity; show(); });
    addEventListener("afterprint", () => { most = before; show(); });

    box.querySelector(".choose").hidden = false;
    reset();
  };

  document.querySelectorAll(".browser").forEach((box) => {
    try {
      begin(box);
    } finally {
      box.classList.add("ready");
    }
  });
});
