import { readdir, readFile, readlink } from "node:fs/promises";

export interface PortHolder {
  readonly pid: number;
  /** Name of its program. */
  readonly command: string;
}

/** In /proc/net/tcp: the state of a listening socket. */
const LISTEN = "0A";

/** Who listens on the TCP port on this machine, for error messages. Linux only, and best effort: undefined when unknown. */
export async function findPortHolder(port: number): Promise<PortHolder | "nobody" | undefined> {
  try {
    const inodes = new Set([
      ...(await listeningInodes("/proc/net/tcp", port)),
      ...(await listeningInodes("/proc/net/tcp6", port)),
    ]);
    if (inodes.size === 0) return "nobody";
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      if (await holdsSocket(pid, inodes))
        return { pid: Number(pid), command: (await readFile(`/proc/${pid}/comm`, "utf8")).trim() };
    }
  } catch {
    // Not Linux, or /proc is closed to us.
  }
  return undefined;
}

export function describeHolder(holder: PortHolder | "nobody" | undefined): string {
  return holder === undefined || holder === "nobody" ? "another process" : `process ${holder.pid} (${holder.command})`;
}

async function listeningInodes(table: string, port: number): Promise<string[]> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const inodes: string[] = [];
  for (const line of (await readFile(table, "utf8")).split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [, local = "", , state, , , , , , inode] = fields;
    if (state === LISTEN && local.endsWith(suffix) && inode !== undefined) inodes.push(`socket:[${inode}]`);
  }
  return inodes;
}

async function holdsSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  try {
    for (const fd of await readdir(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
      if (inodes.has(target)) return true;
    }
  } catch {
    // Somebody else's process, or it ended meanwhile.
  }
  return false;
}
