const CLIENT_HELLO = Buffer.from("160301004a010000460303", "hex");

const FORMS = {
  noise: Buffer.from(new Uint8Array(1_000).map((_, i) => (i * 2_654_435_761) >>> 11)),
  "TLS in the clear": CLIENT_HELLO,
  "a wrong preface": Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"),
  "a frame of 16 MiB": Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.from("ffffff040000000000", "hex"),
    Buffer.alloc(100),
  ]),
  SSH: Buffer.from("SSH-2.0-OpenSSH_9.6\r\n"),
};

export const attack = {
  title: "what is not HTTP/2: noise, TLS, other protocols, a frame of 16 MiB; 500 connections a second",
  run: (t) =>
    t.flood({
      forms: { ...FORMS },
      connections: 5,
      perSecond: 100,
      reconnectMs: 2,
      preface: false,
      open: (peer) => peer.send(FORMS[peer.form]),
      next: () => [],
    }),
  sees: { closed: 100 },
  counters: ["connectionsAccepted"],
};
