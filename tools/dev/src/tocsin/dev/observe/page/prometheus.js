// Asks Prometheus, through the page's own server.

async function ask(path, parameters) {
  const answer = await fetch(`prometheus/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== "success") throw new Error(body.error);
  return body.data;
}

/** The times of a drawing: at most 240 points, no denser than Prometheus looks. */
export function timesOf(range, every) {
  const step = Math.max(every, Math.ceil(range / 240));
  const end = Math.floor(Date.now() / 1000 / step) * step;
  const times = [];
  for (let time = end - range; time <= end; time += step) times.push(time);
  return { times, step, window: `${Math.max(6 * every, step)}s` };
}

function filled(expression, window, choices) {
  return expression.replaceAll("$__rate_interval", window).replace(/\$([a-z]+)/g, (_, name) => choices[name] || ".*");
}

function named(legend, labels) {
  return legend.replace(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? "");
}

/** Every series of a panel as { name, values }, its values at `times`, null where there is none. */
export async function series(panel, { times, step, window }, choices) {
  const answers = await Promise.all(panel.queries.map(async ({ expression, legend }) => {
    const asked = { query: filled(expression, window, choices), start: times[0], end: times.at(-1), step };
    const { result } = await ask("query_range", asked);
    return result.map(({ metric, values }) => {
      const known = new Map(values.map(([time, text]) => [time, Number(text)]));
      const aligned = times.map((time) => (Number.isFinite(known.get(time)) ? known.get(time) : null));
      return { name: named(legend, metric), values: aligned };
    });
  }));
  return answers.flat().filter(({ values }) => values.some((value) => value !== null));
}

/** The one number that a panel shows now; null where there is none. */
export async function latest(panel, choices) {
  const { result } = await ask("query", { query: filled(panel.queries[0].expression, "1m", choices) });
  return result.length ? Number(result[0].value[1]) : null;
}

/** The values that a label has on a metric. */
export function valuesOf(label, metric) {
  return ask(`label/${label}/values`, { "match[]": metric });
}

/** Single messages of a histogram, the slowest first: { seconds, time, labels of the series and of the message }. */
export async function messages(metric, { times }) {
  const data = await ask("query_exemplars", { query: metric, start: times[0], end: times.at(-1) });
  const found = data.flatMap(({ seriesLabels, exemplars }) => exemplars.map(({ labels, value, timestamp }) => (
    { ...seriesLabels, ...labels, seconds: Number(value), time: timestamp })));
  const once = new Map(found.map((message) => [message.notification_id + message.channel, message]));
  return [...once.values()].sort((one, other) => other.seconds - one.seconds);
}

/** The alerts that fire now. */
export async function firing() {
  return (await ask("alerts", {})).alerts.filter(({ state }) => state === "firing");
}
