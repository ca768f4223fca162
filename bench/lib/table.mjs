// Markdown, and numbers in it.
import { median, spread } from "./statistics.mjs";

export const number = (value, digits = 0) =>
  value === undefined || Number.isNaN(value)
    ? "-"
    : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
/** Three figures, or all before the point. */
export const figure = (value) => number(value, value < 10 ? 2 : value < 100 ? 1 : 0);
export const times = (value) => `${figure(value)}x`;
export const range = ({ min, max }, format = figure) => (min === max ? "" : `${format(min)} to ${format(max)}`);

/** Median, and in brackets the least and the greatest of several rounds. */
export function measured(values, format = figure) {
  const known = values.filter((value) => value !== undefined && value !== null && !Number.isNaN(value));
  if (known.length === 0) return "-";
  const all = spread(known);
  return known.length === 1 ? format(all.median) : `${format(median(known))} (${range(all, format) || "the same"})`;
}

/** @param {readonly string[]} head the first column is text @param {readonly (readonly string[])[]} rows */
export function table(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line), ""];
}
