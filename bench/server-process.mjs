// The server of one cell, in its own process. Usage: server-process.mjs SUBJECT OPTIONS-JSON
import { subscribe } from "node:diagnostics_channel";
import { answer, say } from "./lib/talk.mjs";

const [name, options] = process.argv.slice(2);
let accepted = 0;
let open = 0;
subscribe("net.server.socket", ({ socket }) => {
  accepted++;
  open++;
  socket.once("close", () => open--);
});
answer({ connections: () => ({ accepted, open }) });

const { serve } = await import(`./subjects/${name}/server.mjs`);
say("listening", { port: await serve(JSON.parse(options)) });
