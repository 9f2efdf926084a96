import { ago, make, webAddress } from "./dom.js";

/**
 * The row of an item. `change(item, body)` saves what the person did with it, `press(item, name)` an action;
 * `go(event, item, url, name)` says that a link was followed.
 */
export function row(item, { labels, language, change, press, go }) {
  const titleId = `t-${item.id}`;
  const link = webAddress(item.link);
  const image = webAddress(item.icon);
  const anchor = (part, url, text, name, act) =>
    make("a", part, { href: url, rel: "noopener", "data-act": name ?? "link", onclick: (event) => act(go(event, item, url, name)) }, text);
  const button = (part, name, text, onclick) => make("button", part, { "data-act": name, "aria-describedby": titleId, onclick }, text);
  const action = ({ name, label, url }) =>
    webAddress(url)
      ? anchor("action", webAddress(url), label, name, () => press(item, name))
      : button("action", name, label, (event) => press(item, name, go(event, item, "", name)));
  const title = link ? anchor("link", link, item.title, undefined, () => change(item, { read: true })) : item.title;
  return make(
    "li",
    item.read_at ? "item" : "item unread",
    { "data-id": item.id },
    image && make("img", "icon", { src: image, alt: "", loading: "lazy", referrerpolicy: "no-referrer" }),
    make("h3", "item-title", { id: titleId }, title),
    item.body && make("p", "item-body", {}, item.body),
    make("time", "time", { datetime: item.created_at, title: new Date(item.created_at).toLocaleString(language) }, ago(item.created_at, language)),
    item.actions?.length && make("div", "actions", {}, ...item.actions.map(action)),
    make(
      "div",
      "tools",
      {},
      button("tool", "*read", item.read_at ? labels.unreadAgain : labels.read, () => change(item, { read: !item.read_at })),
      button("tool", "*archive", item.archived_at ? labels.restore : labels.archive, () => change(item, { archived: !item.archived_at })),
    ),
  );
}
