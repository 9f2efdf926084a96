import { make } from "./dom.js";

/** A box for each channel that a category uses, as `GET /v1/me/preferences` tells of them; what is required stays on. `ask` saves. */
export function preferences({ effective, names }, { labels, ask }) {
  const of = (row) => `${row.category} ${row.channel}`;
  const used = new Set(effective.filter((row) => row.workflow).map(of));
  const rows = effective.filter((row) => !row.workflow && used.has(of(row)));
  const box = ({ channel, category, enabled, rule }) => {
    const required = rule === "required";
    const save = async ({ target }) => {
      const change = { channel, category, enabled: target.checked };
      if (!(await ask("PATCH", "me/preferences", { preferences: [change] }))) target.checked = !target.checked;
    };
    return checkbox(labels[channel] ?? channel, { checked: enabled, disabled: required, onchange: save }, required && labels.required);
  };
  return [...new Set(rows.map((row) => row.category))].map((category) =>
    make("fieldset", "category", {}, make("legend", "category-name", {}, names[category] ?? category), ...rows.filter((row) => row.category === category).map(box)),
  );
}

/** A box and what it is for. */
export function checkbox(text, given, remark) {
  return make("label", "choice", {}, make("input", "box", { type: "checkbox", ...given }), text, remark && make("small", "remark", {}, remark));
}
