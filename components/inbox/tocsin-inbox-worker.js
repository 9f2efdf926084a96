// The service worker that shows push messages of Tocsin (Web Push). It has to come from the page's own origin; where you have a worker
// already, let it say importScripts("tocsin-inbox-worker.js"). README.md says how it is used.
{
  const MOST_KEPT = 20;
  const kept = []; // what was opened while no page was there to be told

  const webAddress = (text) => {
    const url = URL.canParse(text) && new URL(text);
    return /^https?:$/.test(url.protocol) ? url.href : "";
  };

  const pages = () => self.clients.matchAll({ type: "window", includeUncontrolled: true });

  async function show(event) {
    const { title, ...options } = event.data.json();
    const badge = Number(options.data?.tocsin_badge);
    if (badge >= 0) await self.navigator.setAppBadge?.(badge).catch(() => {}); // where the app is not installed
    await self.registration.showNotification(title, options);
  }

  /** Tells the pages, and leads to the link of the pressed button, else of the message: in a page that shows it already, else in a new one. */
  async function open({ notification, action }) {
    notification.close();
    const { tocsin_notification, tocsin_delivery, tocsin_link, tocsin_actions } = notification.data ?? {};
    const told = { state: action ? "pressed" : "opened", action, notification: tocsin_notification, delivery: tocsin_delivery };
    const there = await pages();
    for (const page of there) page.postMessage({ tocsin: told });
    if (!there.length) kept.push(told);
    kept.splice(0, kept.length - MOST_KEPT);
    const pressed = Array.isArray(tocsin_actions) ? tocsin_actions.find(({ name }) => name === action) : undefined;
    const link = webAddress(pressed?.url) || webAddress(tocsin_link) || self.registration.scope;
    const page = there.find(({ url }) => url === link);
    await (page ? page.focus() : self.clients.openWindow(link));
  }

  self.addEventListener("push", (event) => event.waitUntil(show(event)));
  self.addEventListener("notificationclick", (event) => event.waitUntil(open(event)));
  self.addEventListener("message", ({ data, source }) => {
    if (data?.tocsin !== "listening") return;
    for (const told of kept.splice(0)) source.postMessage({ tocsin: told });
  });
}
