export const attack = {
  title: "connections opened and dropped: with half a handshake, with calls under way; 1 000 a second",
  async run(t) {
    while (!t.over) {
      const opened = Array.from({ length: 10 }, async (_, i) => {
        const peer = await t.connect({ preface: i % 3 !== 0 });
        if (i % 3 === 2) for (let k = 0; k < 5; k++) peer.call("Bidi");
        await t.sleep(10);
        if (i % 2 === 0) peer.destroy();
        else peer.socket.resetAndDestroy();
      });
      await Promise.all([...opened, t.sleep(10)]);
    }
  },
  silent: "the attacker leaves by itself",
  sees: { connections: 100 },
  counters: ["connectionsAccepted"],
};
