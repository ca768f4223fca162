import { closedLoops } from "./closed-loop.mjs";
import { codec } from "./codec.mjs";
import { cores } from "./cores.mjs";
import { discovery } from "./discovery.mjs";
import { growths } from "./growth.mjs";
import { h2load } from "./h2load.mjs";
import { memory } from "./memory.mjs";
import { openLoop } from "./open-loop.mjs";

/**
 * @typedef {object} Cell
 * @property {string} subject  or a pair
 * @property {string} [label]
 * @property {(context: import("../lib/cell.mjs").Context) => Promise<object>} run
 *
 * @typedef {object} Section
 * @property {string} name  as `--only` and `--without` know it
 * @property {string} title
 * @property {boolean} [once]  in the first round only
 * @property {boolean} [short]  its cells have the short budget, or none
 * @property {readonly string[]} [needs]  tools
 * @property {(context: import("../lib/cell.mjs").Context) => readonly Cell[]} cells  in the order of a round
 * @property {(results: Map<string, object[]>) => readonly string[]} lines  Markdown
 * @property {(results: Map<string, object[]>) => Record<string, string>} [files]
 *
 * @type {readonly Section[]}
 */
export const SECTIONS = [...closedLoops, openLoop, h2load, codec, discovery, memory, ...growths, cores];
