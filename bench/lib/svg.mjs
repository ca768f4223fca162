const WIDTH = 720;
const HEIGHT = 420;
const PLOT = { left: 70, top: 48, right: 590, bottom: 360 };
const COLOURS = ["#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#525252"];

/**
 * Lines over two logarithmic axes, as an SVG document. Points that are not above zero are left out.
 *
 * @param {{ title: string, xLabel: string, yLabel: string, series: readonly { name: string, points: readonly { x: number, y: number }[] }[] }} chart
 */
export function lineChart({ title, xLabel, yLabel, series }) {
  const lines = series.map(({ name, points }) => ({ name, points: points.filter(({ x, y }) => x > 0 && y > 0) }));
  const all = lines.flatMap(({ points }) => points);
  const xAxis = logAxis(
    all.map(({ x }) => x),
    PLOT.left,
    PLOT.right,
  );
  const yAxis = logAxis(
    all.map(({ y }) => y),
    PLOT.bottom,
    PLOT.top,
  );
  const middle = (PLOT.left + PLOT.right) / 2;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text(middle, 24, title, 'text-anchor="middle" font-size="15" font-weight="bold"'),
    ...xAxis.ticks.flatMap((value) => [
      line(xAxis.at(value), PLOT.top, xAxis.at(value), PLOT.bottom, "#e5e5e5"),
      text(xAxis.at(value), PLOT.bottom + 18, short(value), 'text-anchor="middle"'),
    ]),
    ...yAxis.ticks.flatMap((value) => [
      line(PLOT.left, yAxis.at(value), PLOT.right, yAxis.at(value), "#e5e5e5"),
      text(PLOT.left - 8, yAxis.at(value) + 4, short(value), 'text-anchor="end"'),
    ]),
    line(PLOT.left, PLOT.bottom, PLOT.right, PLOT.bottom, "#404040"),
    line(PLOT.left, PLOT.top, PLOT.left, PLOT.bottom, "#404040"),
    text(middle, HEIGHT - 16, xLabel, 'text-anchor="middle"'),
    text(
      18,
      (PLOT.top + PLOT.bottom) / 2,
      yLabel,
      `text-anchor="middle" transform="rotate(-90 18 ${(PLOT.top + PLOT.bottom) / 2})"`,
    ),
    ...lines.flatMap(({ name, points }, i) => plotted(name, points, i, xAxis, yAxis)),
    "</svg>",
    "",
  ].join("\n");
}

function plotted(name, points, index, xAxis, yAxis) {
  const colour = COLOURS[index % COLOURS.length];
  const places = points.map(({ x, y }) => [round(xAxis.at(x)), round(yAxis.at(y))]);
  const legend = PLOT.top + 16 + index * 20;
  return [
    `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${places.map((place) => place.join(",")).join(" ")}"/>`,
    ...places.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="${colour}"/>`),
    line(PLOT.right + 16, legend - 4, PLOT.right + 36, legend - 4, colour),
    text(PLOT.right + 42, legend, name, ""),
  ];
}

/** An axis over whole powers of ten, at least one of them. */
export function logAxis(values, from, to) {
  const least = values.length === 0 ? 1 : Math.min(...values);
  const greatest = values.length === 0 ? 10 : Math.max(...values);
  const first = Math.floor(Math.log10(least));
  const last = Math.max(first + 1, Math.ceil(Math.log10(greatest)));
  return {
    ticks: Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i)),
    at: (value) => from + ((Math.log10(value) - first) / (last - first)) * (to - from),
  };
}

/** 0.1, 100, 10k, 1M */
export function short(value) {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1e4 ? `${value / 1e3}k` : String(Number(value.toPrecision(6)));
}

function line(x1, y1, x2, y2, colour) {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${colour}"/>`;
}

function text(x, y, words, attributes) {
  return `<text x="${round(x)}" y="${round(y)}" fill="#262626" ${attributes}>${escaped(words)}</text>`;
}

const escaped = (words) => words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function round(value) {
  return Math.round(value * 10) / 10;
}
