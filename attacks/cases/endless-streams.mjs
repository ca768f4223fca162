export const attack = {
  title: "streams that never say anything: 4 connections open 1 000 calls each and stay",
  slowMs: 4_000,
  run: (t) =>
    t.each(4, async (peer) => {
      for (let i = 0; i < 1_000; i++) peer.call(["Unary", "ClientStream", "Bidi"][i % 3]);
      await t.hold();
    }),
  silent:
    "a stream without messages is legal gRPC; MAX_CONCURRENT_STREAMS bounds them, keepalive proves their peer, maxTimeoutMs ends them",
  counters: ["callsStarted"],
};
