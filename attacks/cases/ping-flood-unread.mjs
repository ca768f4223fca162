import * as wire from "../lib/wire.mjs";

export const attack = {
  title:
    "PINGs whose answers are never read, each with a message of five bytes to pay for it; 20 000 a second (CVE-2019-9517 kind)",
  run: (t) =>
    t.flood({
      perSecond: 20_000,
      open(peer) {
        peer.stream = peer.call("ClientStream");
        peer.socket.pause();
      },
      next: (peer) => [wire.ping(), wire.data(peer.stream, wire.envelope(Buffer.alloc(0)))],
    }),
  silent: "a GOAWAY is sent, and the attacker reads nothing",
  sees: { sent: 6_000 },
  counters: ["calmed"],
};
