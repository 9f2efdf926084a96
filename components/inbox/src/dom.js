// Elements are made here and nowhere else: what comes from outside is text or an attribute, never markup.

/** An element with its `part`, and children; strings among them become text. `on…` are listeners; what is false or missing is left out. */
export function make(tag, part, given, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries({ part, ...given })) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value || value === "") node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(Boolean));
  return node;
}

const ICONS = {
  bell: "M6 9a6 6 0 0 1 12 0c0 6 2.5 7 2.5 7h-17S6 15 6 9M10 20a2.2 2.2 0 0 0 4 0",
  preferences: "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.5v5M9 14.5v5",
  back: "M5 12h14M11 6l-6 6 6 6",
  close: "M6 6l12 12M18 6L6 18",
};

/** One of the element's own drawings. */
export function icon(name) {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** The address where it is a whole one of http(s); a browser would run some of the others. */
export function webAddress(text) {
  const url = URL.canParse(text) && new URL(text);
  return /^https?:$/.test(url.protocol) ? url.href : "";
}

/** How long ago, as people say it. */
export function ago(at, language) {
  const seconds = (new Date(at) - Date.now()) / 1000;
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? units[3];
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}
