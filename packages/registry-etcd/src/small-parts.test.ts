import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "@dubhe/concurrency";
import fc from "fast-check";
import type { EtcdEndpoint } from "./config.js";
import { Endpoints } from "./endpoints.js";
import { bytesOf, prefixEnd, providerAddressPrefix, providerPath } from "./keys.js";
import { Limiter } from "./limiter.js";
import { expiryOf } from "./login.js";

test("endpoints are tried in a random order, each once a round; after one that answered, the search begins behind it", () => {
  const endpoints = ["a", "b", "c"].map((host) => ({ host, port: 1 }));
  const firsts = new Set<string>();
  for (let seed = 0; seed < 30; seed++) {
    const list = new Endpoints(endpoints, createRandom(seed));
    const round = list.round();
    const [x, y, z] = round as [EtcdEndpoint, EtcdEndpoint, EtcdEndpoint];
    assert.deepEqual(round.map(({ host }) => host).sort(), ["a", "b", "c"]);
    assert.deepEqual(list.round(), [y, z, x]);
    list.answered(z);
    assert.deepEqual(list.round(), [x, y, z]);
    firsts.add(x.host);
  }
  assert.equal(firsts.size, 3);
});

test("property: the end of a prefix range is above all keys with the prefix, and below all others above it", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), fc.string(), fc.string(), (prefix, rest, other) => {
      const [begin, end] = [Buffer.from(bytesOf(`${prefix}/`)), Buffer.from(prefixEnd(`${prefix}/`))];
      const inside = (key: string): boolean => {
        const bytes = Buffer.from(bytesOf(key));
        return bytes.compare(begin) >= 0 && bytes.compare(end) < 0;
      };
      assert.ok(inside(`${prefix}/${rest}`));
      assert.equal(inside(other), Buffer.from(bytesOf(other)).subarray(0, begin.length).equals(begin));
    }),
  );
});

test("the keys of one provider begin with the prefix of its address, that of another port does not", () => {
  const provider = (port: number, version: string) => ({
    instance: { application: "a", host: "10.0.0.1", port, weight: 100, healthy: true, enabled: true, metadata: {} },
    service: { name: "com.Foo", group: "", version, protocol: "tri", port: 0, path: "com.Foo", params: {} },
  });
  const prefix = providerAddressPrefix(provider(2000, ""));
  assert.ok(providerPath(provider(2000, "1.0.0")).startsWith(prefix));
  assert.ok(!providerPath(provider(20000, "")).startsWith(prefix));
  assert.match(
    providerPath(provider(2000, "")),
    /^\/dubbo\/com\.Foo\/providers\/tri%3A%2F%2F10\.0\.0\.1%3A2000%2Fcom\.Foo%3F/,
  );
});

test("property: a limiter never runs more than its limit, and runs everything that is not aborted", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.record({ turns: fc.nat(5), fails: fc.boolean(), aborts: fc.boolean() }), { maxLength: 20 }),
      async (limit, jobs) => {
        const limiter = new Limiter(limit);
        let running = 0;
        let most = 0;
        const ran = new Set<number>();
        const results = jobs.map(({ turns, fails, aborts }, n) => {
          const controller = new AbortController();
          const result = limiter.run(async () => {
            ran.add(n);
            running += 1;
            most = Math.max(most, running);
            for (let i = 0; i < turns; i++) await Promise.resolve();
            running -= 1;
            if (fails) throw new Error("failed");
          }, controller.signal);
          if (aborts) controller.abort(new Error("aborted"));
          return result;
        });
        await Promise.allSettled(results);
        assert.ok(most <= limit);
        for (const [n, { aborts }] of jobs.entries()) if (!aborts) assert.ok(ran.has(n));
        assert.equal(limiter.waiting, 0);
      },
    ),
  );
});

test("a JWT says when it ends, other tokens do not", () => {
  const jwt = (payload: object): string => `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.sig`;
  assert.equal(expiryOf(jwt({ username: "root", exp: 1_700_000_000 })), 1_700_000_000_000);
  assert.equal(expiryOf(jwt({ username: "root" })), undefined);
  assert.equal(expiryOf("QkVVTYKCsQsLPFmx.17"), undefined, "a simple token");
  assert.equal(expiryOf(""), undefined);
});
