// What axe leaves open: the contrast of letters in drawings and in boxes that scroll, and the order of headings.
(() => {
  const parse = (colour) => {
    const parts = colour.match(/[\d.]+/g);
    return parts ? [...parts.slice(0, 3).map(Number), parts.length > 3 ? Number(parts[3]) : 1] : [0, 0, 0, 0];
  };
  const over = (top, below) => {
    const alpha = top[3];
    return [...[0, 1, 2].map((place) => top[place] * alpha + below[place] * (1 - alpha)), 1];
  };
  // WCAG 2.2, relative luminance and contrast ratio.
  const luminance = (colour) => {
    const [red, green, blue] = colour.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((first, second) => first - second);
    return (light + 0.05) / (dark + 0.05);
  };

  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      if (one instanceof SVGElement) continue;
      const colour = parse(getComputedStyle(one).backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reduceRight((below, top) => over(top, below), [255, 255, 255, 1]);
  };

  const filled = new Map();
  const shapesOf = (drawing) => {
    if (!filled.has(drawing)) {
      const shapes = [...drawing.querySelectorAll("path, rect, circle, use")]
        .filter((shape) => !shape.closest("defs, clipPath"))
        .map((shape) => ({ shape, style: getComputedStyle(shape), box: shape.getBoundingClientRect() }))
        .filter(({ style }) => style.fill !== "none" && !style.fill.startsWith("url"))
        .map(({ shape, style, box }) => {
          const [red, green, blue, alpha] = parse(style.fill);
          return { shape, box, colour: [red, green, blue, alpha * Number(style.fillOpacity) * Number(style.opacity)] };
        });
      filled.set(drawing, shapes);
    }
    return filled.get(drawing);
  };
  const drawnBehind = (text) => {
    const own = text.getBoundingClientRect();
    const [across, down] = [own.left + own.width / 2, own.top + own.height / 2];
    return shapesOf(text.ownerSVGElement)
      .filter(({ box }) => box.left <= across && across <= box.right && box.top <= down && down <= box.bottom)
      .filter(({ shape }) => shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING)
      .reduce((below, { colour }) => over(colour, below), behind(text.ownerSVGElement));
  };

  const letters = () => {
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const element = walk.currentNode.parentElement;
      if (!walk.currentNode.data.trim() || element.closest("script, style, title, desc, .skip, [hidden]")) continue;
      if (!element.getClientRects().length) continue;
      const style = getComputedStyle(element);
      const drawn = element instanceof SVGElement;
      const ground = drawn ? drawnBehind(element) : behind(element);
      const colour = parse(drawn ? style.fill : style.color);
      colour[3] *= Number(style.opacity) * (drawn ? Number(style.fillOpacity) : 1);
      found.push({ text: walk.currentNode.data.trim().slice(0, 60), ratio: contrast(over(colour, ground), ground) });
    }
    return found;
  };

  const headings = () => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((one) => Number(one.tagName[1]));

  const tables = () =>
    [...document.querySelectorAll("table")].map((table) => ({
      caption: table.caption?.textContent ?? "",
      unscoped: [...table.querySelectorAll("th")].filter((head) => !head.scope).length,
      headless: [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => !row.querySelector("th")).length,
      widths: [...table.tBodies].flatMap((body) => [...body.rows]).map((row) => row.cells.length),
    }));

  const ids = () => [...document.querySelectorAll("[id]")].map((one) => one.id);

  const dangling = () =>
    [...document.querySelectorAll("[href^='#'], [aria-labelledby], [aria-describedby]")]
      .flatMap((one) => [
        one.getAttribute("href")?.slice(1),
        ...(one.getAttribute("aria-labelledby") ?? "").split(" "),
        ...(one.getAttribute("aria-describedby") ?? "").split(" "),
      ])
      .filter((id) => id && !document.getElementById(id));

  // Letters that lie outside of their drawing are not seen.
  const cut = () =>
    [...document.querySelectorAll(".drawing svg")].flatMap((drawing) => {
      const box = drawing.getBoundingClientRect();
      return [...drawing.querySelectorAll("text")]
        .filter((text) => {
          const own = text.getBoundingClientRect();
          return own.width && (own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 || own.bottom > box.bottom + 1);
        })
        .map((text) => `${drawing.id}: ${text.textContent}`);
    });

  return { contrast: (one, other) => contrast(parse(one), parse(other)), letters, headings, tables, ids, dangling, cut };
})()
