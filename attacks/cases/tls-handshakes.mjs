import { connect as connectTcp } from "node:net";

export const attack = {
  title:
    "slowloris on the TLS handshake: 300 connections that say nothing, or half a ClientHello; ALPN refused; resets within the handshake",
  tls: true,
  slowMs: 25_000,
  async run(t) {
    const hello = Buffer.from("16030100c8010000c40303", "hex");
    const sockets = [];
    const closed = [];
    for (let i = 0; i < 300; i++) {
      const socket = connectTcp({ host: "127.0.0.1", port: t.port });
      socket.on("error", () => {});
      closed.push(new Promise((resolve) => socket.once("close", resolve)));
      socket.once("close", () => t.over || t.note(`stopped: ${i % 2 === 0 ? "nothing" : "half a ClientHello"}`));
      socket.on("data", () => {});
      if (i % 2 === 1) socket.write(hello);
      sockets.push(socket);
    }
    await t.each(20, async (peer) => peer.ended, { alpn: ["smtp"], preface: false });
    // Somewhere in the handshake, or just after it.
    for (let i = 0; i < 100 && !t.over; i++) {
      const peer = t.connect({ preface: false, alpn: i % 2 === 0 ? ["h2"] : ["http/1.1"] });
      await t.sleep(i % 20);
      t.reset();
      await peer;
    }
    await t.all(closed);
    for (const socket of sockets) socket.destroy();
  },
  stopped: ["nothing", "half a ClientHello"],
  rssMib: 96,
  counters: ["tlsFailed"],
};
