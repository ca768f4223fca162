const CONNECTIONS = 2_000;

export const attack = {
  title: "2 000 idle connections, half of which did the handshake and half nothing",
  slowMs: 25_000,
  async run(t) {
    const silent = [];
    for (let i = 0; i < CONNECTIONS; i += 50) {
      if (t.over) return;
      const opened = Array.from({ length: 50 }, (_, k) => t.connect({ preface: k % 2 === 0 }));
      silent.push(...(await Promise.all(opened)).filter((_, k) => k % 2 === 1));
      await t.sleep(10);
    }
    await t.all(silent.map((peer) => peer.ended.then(() => t.over || t.note("silent ones closed"))));
  },
  rssMib: 96,
  sees: { "silent ones closed": CONNECTIONS / 2 },
  counters: ["silent"],
};
