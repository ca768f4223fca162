import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import { join } from "node:path";
import { frameOf } from "../subjects/node-http2/frames.mjs";

const HEADERS = ["content-type: application/grpc+proto", "te: trailers", "grpc-timeout: 3000m"];
const PATH = "/dubhe.bench.v1.EchoService/Unary";

/**
 * Unary calls of 64 octets for so many seconds, at each of the ports. h2load sees HTTP's status alone, which is 200 for a
 * failed call too; that calls are answered rightly is checked in the closed loops.
 *
 * @param {readonly number[]} ports
 * @param {readonly string[]} load  connections, calls at a time
 * @param {number} seconds  whole ones
 */
export async function runH2load(ports, load, seconds, context, cpus = context.pinning?.client) {
  const folder = mkdtempSync(join(os.tmpdir(), "dubhe-bench-"));
  try {
    const data = join(folder, "request.bin");
    writeFileSync(data, frameOf(Buffer.alloc(64, 0x61)));
    const headers = HEADERS.flatMap((header) => ["-H", header]);
    const outputs = await Promise.all(
      ports.map((port) =>
        output(
          ["h2load", "-D", String(seconds), ...load, "-d", data, ...headers, `http://127.0.0.1:${port}${PATH}`],
          cpus,
        ),
      ),
    );
    const parsed = outputs.map(parseH2load);
    const sum = (key) => parsed.reduce((total, one) => total + one[key], 0);
    return { calls: sum("calls"), callsPerSecond: sum("callsPerSecond") };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What h2load says at its end. */
export function parseH2load(text) {
  const rate = /finished in [\d.]+\w+, ([\d.]+) req\/s/.exec(text);
  const requests = /requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed/.exec(text);
  if (rate === null || requests === null) throw new Error(`h2load said:\n${text}`);
  const [, , done, succeeded, failed] = requests.map(Number);
  if (done === 0 || failed > 0 || succeeded < done) throw new Error(`h2load: ${requests[0]}`);
  return { calls: done, callsPerSecond: Number(rate[1]) };
}

function output(command, cpus) {
  const [file, ...args] = cpus === undefined ? command : ["taskset", "-c", cpus, ...command];
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`h2load: exit ${code}\n${text}`))));
  });
}
