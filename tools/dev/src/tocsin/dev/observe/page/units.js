// Values as people read them.

const BYTES = ["B", "KiB", "MiB", "GiB", "TiB"];
const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

function bytes(value) {
  let power = 0;
  while (Math.abs(value) >= 1024 && power < BYTES.length - 1) { value /= 1024; power += 1; }
  return `${plain.format(value)} ${BYTES[power]}`;
}

function seconds(value) {
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 0.001) return `${plain.format(value * 1e6)} µs`;
  if (size < 1) return `${plain.format(value * 1e3)} ms`;
  if (size < 120) return `${plain.format(value)} s`;
  if (size < 7200) return `${plain.format(value / 60)} min`;
  return `${plain.format(value / 3600)} h`;
}

/** The value in its unit, with three digits. */
export function shown(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (unit === "s") return seconds(value);
  if (unit === "bytes") return bytes(value);
  if (unit === "percentunit") return `${plain.format(value * 100)} %`;
  return plain.format(value) + (unit.startsWith("suffix:") ? unit.slice("suffix:".length) : "");
}
