// Loaded only where a page asks for push messages.

/**
 * This browser as a device of the person; undefined where the browser knows no push messages.
 * The device's id is computed from the subscription's address, so a subscription is one device however often it is saved.
 */
export async function browserDevice({ worker, key, app, client, told }) {
  if (!globalThis.PushManager || !navigator.serviceWorker) return undefined;
  const registration = await navigator.serviceWorker.register(worker);
  listen(registration, told);
  const { pushManager } = registration;
  const subscription = await pushManager.getSubscription();
  const save = async (kept) => {
    const device = { kind: "webpush", token: JSON.stringify(kept), ...(app && { app }) };
    await client.call("PUT", await pathOf(kept), device);
  };
  return {
    isOn: Boolean(subscription),
    keep: () => subscription && save(subscription),
    add: async () => save(await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key })),
    remove: async () => {
      const kept = await pushManager.getSubscription();
      if (!kept) return;
      await client.call("DELETE", await pathOf(kept)).catch((error) => {
        if (error.status !== 404) throw error;
      });
      await kept.unsubscribe();
    },
  };
}

/** What the service worker tells of messages that were opened, also of those that it kept while no page was open. */
function listen({ active }, told) {
  const { serviceWorker } = navigator;
  serviceWorker.onmessage = ({ data }) => data?.tocsin && told(data.tocsin);
  serviceWorker.startMessages();
  active?.postMessage({ tocsin: "listening" });
}

async function pathOf({ endpoint }) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(endpoint));
  const hex = [...new Uint8Array(hash, 0, 16)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `me/devices/web-${hex.join("")}`;
}
