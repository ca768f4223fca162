// Dubhe's server on several cores; threads of mode "reuse-port" share the port, those of mode "threads" have one each.
// Usage: cores-process.mjs single|cluster|threads|reuse-port COUNT PORT
import cluster from "node:cluster";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { createServer } from "dubhe";
import { EchoService } from "./gen/dubhe/bench/v1/echo_pb.js";
import { answer, say } from "./lib/talk.mjs";
import { implementation } from "./subjects/dubhe/server.mjs";

const [mode, countText, portText] = process.argv.slice(2);
const count = Number(countText);

if (!isMainThread) {
  parentPort.postMessage(await serve(workerData.port, workerData.reusePort));
} else if (cluster.isWorker) {
  process.on("message", () => process.send({ cpuMicros: cpuMicros() }));
  process.on("disconnect", () => process.exit());
  await serve(Number(portText));
  process.send({ listening: true });
} else if (mode === "cluster") {
  const workers = Array.from({ length: count }, () => cluster.fork());
  await Promise.all(workers.map(heard));
  answer({ usage: async () => ({ cpuMicros: cpuMicros() + sum(await Promise.all(workers.map(asked))) }) });
  say("listening", { ports: [Number(portText)] });
} else if (mode === "threads" || mode === "reuse-port") {
  // The threads' CPU time is the process's.
  const data = mode === "threads" ? { port: 0 } : { port: Number(portText), reusePort: true };
  const workers = Array.from({ length: count }, () => new Worker(new URL(import.meta.url), { workerData: data }));
  const ports = await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
  answer();
  say("listening", { ports: [...new Set(ports)] });
} else {
  const port = await serve(Number(portText));
  answer();
  say("listening", { ports: [port] });
}

async function serve(port, reusePort) {
  const server = createServer({ listen: `127.0.0.1:${port}`, ...(reusePort === true && { reusePort }) });
  server.add(EchoService, implementation);
  await server.start();
  return Number(server.address.split(":").at(-1));
}

function cpuMicros() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function heard(worker) {
  return new Promise((resolve) => worker.once("message", resolve));
}

async function asked(worker) {
  const answered = heard(worker);
  worker.send("usage");
  return (await answered).cpuMicros;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}
