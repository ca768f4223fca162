import { readFileSync } from "node:fs";
import os from "node:os";

/** What a reader needs to place the figures; nothing that names the machine. */
export function describeMachine() {
  return {
    cpus: os.availableParallelism(),
    model: os.cpus()[0]?.model.trim() ?? "unknown CPU",
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.arch()}`,
    loadBefore: load(),
    loadAfter: "",
  };
}

export function load() {
  return os.loadavg()[0].toFixed(1);
}

/** The versions that run, from the packages as they are resolved. */
export function versionsOf(packages) {
  return Object.fromEntries(packages.map((name) => [name, versionOf(name)]));
}

function versionOf(name) {
  for (let folder = new URL(".", import.meta.url); ; folder = new URL("..", folder)) {
    try {
      return JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, folder), "utf8")).version;
    } catch (error) {
      if (error.code !== "ENOENT" || folder.pathname === "/") throw error;
    }
  }
}
