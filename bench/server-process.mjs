// The server of one cell, in its own process. Speaks with the command over IPC: says where it listens, and answers every
// "usage" with its CPU time and its connections so far. Usage: server-process.mjs SUBJECT OPTIONS-JSON
import { subscribe } from "node:diagnostics_channel";

const [name, options] = process.argv.slice(2);
const connections = { accepted: 0, open: 0 };
subscribe("net.server.socket", ({ socket }) => {
  connections.accepted++;
  connections.open++;
  socket.once("close", () => connections.open--);
});

process.on("message", (message) => {
  if (message !== "usage") return;
  const { user, system } = process.cpuUsage();
  process.send({ kind: "usage", cpuMicros: user + system, connections });
});
process.on("disconnect", () => process.exit());

const { serve } = await import(`./subjects/${name}/server.mjs`);
const port = await serve(JSON.parse(options));
process.send({ kind: "listening", port });
