// Returns what a reader would trip over on the page as it is shown now: {faults, plots}.
({phone}) => {
  const faults = new Set();
  const width = document.documentElement.clientWidth;
  const say = (kind, element, text = "") => {
    const name = element.id ? `#${element.id}` : `${element.localName}.${element.getAttribute("class") || ""}`;
    const home = element.closest("[id]");
    faults.add(`${kind}: ${name}${home && home !== element ? ` in #${home.id}` : ""} ${text}`.trim());
  };
  const css = (element, pseudo) => getComputedStyle(element, pseudo);
  const shown = (element) => element.checkVisibility({opacityProperty: true, visibilityProperty: true});
  // Text for screen readers only.
  const unseen = (element) => {
    for (let e = element; e; e = e.parentElement) {
      if (css(e).clipPath.startsWith("inset(50%") || css(e).clip === "rect(0px, 0px, 0px, 0px)") return true;
    }
    return false;
  };
  const within = (element, selector) => element.closest(selector) !== null;

  // Colours.
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const parsed = new Map();
  const colour = (text) => {
    if (!parsed.has(text)) {
      const parts = /^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/.exec(text);
      if (parts) {
        parsed.set(text, [+parts[1], +parts[2], +parts[3], parts[4] === undefined ? 1 : +parts[4]]);
      } else {
        pixel.clearRect(0, 0, 1, 1);
        pixel.fillStyle = text;
        pixel.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pixel.getImageData(0, 0, 1, 1).data;
        parsed.set(text, [r, g, b, a / 255]);
      }
    }
    return parsed.get(text);
  };
  const over = (top, alpha, below) => below.map((value, k) => top[k] * alpha + value * (1 - alpha));
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((value) => {
      const c = value / 255;
      return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (first, second) => {
    const [low, high] = [luminance(first), luminance(second)].sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const opacity = (element) => {
    let product = 1;
    for (let e = element; e; e = e.parentElement) product *= +css(e).opacity;
    return product;
  };
  const darkCanvas = matchMedia("(prefers-color-scheme: dark)").matches
    && css(document.documentElement).colorScheme.includes("dark");
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const layer = colour(css(e).backgroundColor);
      if (layer[3]) layers.push(layer);
      if (layer[3] === 1) break;
    }
    let below = darkCanvas ? [18, 18, 18] : [255, 255, 255];
    for (const layer of layers.reverse()) below = over(layer, layer[3], below);
    return below;
  };
  const SHAPES = "path, rect, circle, ellipse, polygon, polyline, line, use, image";
  const painted = (shape) => {
    const style = css(shape);
    const paint = (value, alpha) => value === "none" ? 0 : value.startsWith("url") ? 1 : colour(value)[3] * alpha;
    return {
      fill: paint(style.fill, +style.fillOpacity) * opacity(shape),
      stroke: parseFloat(style.strokeWidth) ? paint(style.stroke, +style.strokeOpacity) * opacity(shape) : 0,
      style,
    };
  };
  // Colour below a text of a drawing: the ground of the page, then each filled shape under its middle.
  const below = (text, box, shapes) => {
    let rgb = ground(text.ownerSVGElement);
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    for (const {shape, box: extent} of shapes) {
      if (shape.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_PRECEDING) break;
      if (extent.left > x || extent.right < x || extent.top > y || extent.bottom < y) continue;
      if (!shape.isPointInFill) continue;
      const {fill, style} = painted(shape);
      if (!fill || style.fill.startsWith("url")) continue;
      const point = new DOMPoint(x, y).matrixTransform(shape.getScreenCTM().inverse());
      if (shape.isPointInFill(point)) rgb = over(colour(style.fill), fill, rgb);
    }
    return rgb;
  };
  const judge = (element, text, ink, alpha, rgb) => {
    const ratio = contrast(over(ink, ink[3] * alpha, rgb), rgb);
    if (ratio < 4.5) say(`contrast ${ratio.toFixed(2)}`, element, JSON.stringify(text.trim().slice(0, 30)));
  };

  // Width.
  if (document.documentElement.scrollWidth > width) {
    faults.add(`the page scrolls sideways: ${document.documentElement.scrollWidth} of ${width} px`);
  }
  const scrolls = (element) => {
    for (let e = element.parentElement; e; e = e.parentElement) {
      if (["auto", "scroll"].includes(css(e).overflowX)) return true;
    }
    return false;
  };
  const all = [...document.body.querySelectorAll("*")].filter((e) => shown(e) && !within(e, "svg *"));
  for (const element of all) {
    const box = element.getBoundingClientRect();
    if (!box.width || box.right < 0 || unseen(element)) continue;
    if ((box.right > width + 1 || box.left < -1) && !scrolls(element)) say("too wide", element);
    const clips = css(element).overflowX;
    if (phone && ["auto", "scroll", "hidden", "clip"].includes(clips) && element !== document.body
        && element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 1) {
      say(`clipped at ${element.clientWidth} of ${element.scrollWidth} px`, element);
    }
  }

  // Text of HTML.
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || within(element, "svg, script, style, noscript, option, :disabled")) continue;
    if (!shown(element) || unseen(element)) continue;
    judge(element, node.data, colour(css(element).color), opacity(element), ground(element));
  }
  for (const element of all) {
    const {content, color} = css(element, "::before");
    if (/^"./.test(content) && !unseen(element)) judge(element, content, colour(color), opacity(element), ground(element));
  }

  // Pictures.
  const labelled = (element) => element.getAttribute("aria-label") || element.getAttribute("aria-labelledby")
    || element.getAttribute("title");
  for (const picture of document.querySelectorAll("img, svg, canvas")) {
    if (!shown(picture) || picture.parentElement.closest("svg")) continue;
    const hidden = within(picture, '[aria-hidden="true"], [role="presentation"], [role="none"]');
    const named = picture.getAttribute("alt") || labelled(picture) || picture.querySelector(":scope > title")
      || picture.querySelector('[role="graphics-document"][aria-label]')
      || [...document.querySelectorAll('[role="img"], [role="group"], [role="figure"], button, a')]
        .some((e) => e.contains(picture) && (labelled(e) || (e !== picture && e.textContent.trim())));
    if (!hidden && !named) say("no text alternative", picture);
  }
  const plots = [];
  const AXES = '[id*="axis"], [id*="legend"], [class*="axis"], [class*="legend"], [class*="grid"], defs, '
    + '.background, clipPath';
  for (const svg of document.querySelectorAll("svg")) {
    const box = svg.getBoundingClientRect();
    if (!shown(svg) || svg.parentElement.closest("svg")) continue;
    if (box.width < 100 || box.height < 60) continue;
    const shapes = [...svg.querySelectorAll(SHAPES)]
      .filter((shape) => !within(shape, "defs, clipPath"))
      .map((shape) => ({shape, box: shape.getBoundingClientRect()}));
    const rgb = ground(svg);
    const inks = new Map();
    for (const {shape, box: extent} of shapes) {
      if (within(shape, AXES) || !(extent.width + extent.height) || !shown(shape)) continue;
      if (extent.right < box.left || extent.left > box.right || extent.bottom < box.top || extent.top > box.bottom) continue;
      const {fill, stroke, style} = painted(shape);
      // The frame of matplotlib's axes is a patch without a fill.
      if (!fill && within(shape, '[id*="patch_"]')) continue;
      const kind = shape.localName === "image" ? "image" : fill > 0.05 ? style.fill : stroke > 0.05 ? style.stroke : "";
      if (!kind) continue;
      const ink = kind === "image" || kind.startsWith("url") ? null : over(colour(kind), Math.max(fill, stroke), rgb);
      if (!ink || contrast(ink, rgb) > 1.02) inks.set(kind, ink);
    }
    if (!inks.size) say("empty plot", svg, svg.getAttribute("aria-label") || "");
    plots.push({
      name: svg.getAttribute("aria-label") || svg.id, x: box.x + scrollX, y: box.y + scrollY,
      width: box.width, height: box.height, inks: [...inks.values()].slice(0, 50),
    });
    const boxes = [];
    for (const text of svg.querySelectorAll("text")) {
      if (!text.textContent.trim() || !shown(text)) continue;
      const extent = text.getBoundingClientRect();
      if (!extent.width) continue;
      const {style, fill} = painted(text);
      if (!fill) continue;
      judge(text, text.textContent, colour(style.fill), fill / colour(style.fill)[3], below(text, extent, shapes));
      const matrix = text.getScreenCTM();
      const size = parseFloat(style.fontSize) * Math.hypot(matrix.a, matrix.b);
      if (size < 8) say(`text of ${size.toFixed(1)} px`, text, JSON.stringify(text.textContent));
      const [x, y] = [3, 3];
      if (extent.left < box.left - x || extent.right > box.right + x || extent.top < box.top - y
          || extent.bottom > box.bottom + y) say("text outside of its drawing", text, JSON.stringify(text.textContent));
      if (Math.abs(matrix.b) > 0.01) continue;
      for (const other of boxes) {
        const wide = Math.min(extent.right, other.extent.right) - Math.max(extent.left, other.extent.left);
        const high = Math.min(extent.bottom, other.extent.bottom) - Math.max(extent.top, other.extent.top);
        if (wide <= 0 || high <= 0) continue;
        const smaller = Math.min(extent.width * extent.height, other.extent.width * other.extent.height);
        if (wide * high > 0.4 * smaller) {
          say("labels overlap", text, JSON.stringify([other.text, text.textContent]));
        }
      }
      boxes.push({extent, text: text.textContent});
    }
  }
  for (const canvas of document.querySelectorAll("canvas")) {
    const box = canvas.getBoundingClientRect();
    const context = shown(canvas) && box.width >= 100 && box.height >= 60 && canvas.getContext("2d");
    if (context && !context.getImageData(0, 0, canvas.width, canvas.height).data.some((value, k) => k % 4 === 3 && value)) {
      say("empty plot", canvas);
    }
  }
  return {faults: [...faults], plots};
}
