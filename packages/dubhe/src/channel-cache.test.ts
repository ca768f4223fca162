import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelCall } from "@dubhe/rpc";
import { testRuntime } from "@dubhe/testing";
import { ChannelCache, type OwnedChannel } from "./channel-cache.js";

class NotingChannel implements OwnedChannel {
  waiting = 0;
  closed = 0;
  readonly opened: ChannelCall[] = [];
  readonly cancelled: ChannelCall[] = [];
  open(call: ChannelCall): void {
    this.opened.push(call);
  }
  cancel(call: ChannelCall): void {
    this.cancelled.push(call);
  }
  close(): void {
    this.closed++;
  }
}

const call = {} as ChannelCall;

test("a channel is made by the first call, not by the handle, and once for all handles", () => {
  const cache = new ChannelCache<NotingChannel>(testRuntime().runtime, 1000);
  let made = 0;
  const make = (): NotingChannel => {
    made++;
    return new NotingChannel();
  };
  const handles = Array.from({ length: 100 }, () => cache.handle("k", make));
  assert.equal(made, 0);
  for (const handle of handles) handle.open(call);
  assert.equal(made, 1);
  handles[0]?.cancel(call);
  assert.deepEqual([cache.channels[0]?.opened.length, cache.channels[0]?.cancelled.length], [100, 1]);
});

test("beyond 256 channels the unused ones are closed, and a handle of a closed one makes it anew", async () => {
  const { runtime, clock } = testRuntime();
  const cache = new ChannelCache<NotingChannel>(runtime, 1000);
  const all: NotingChannel[] = [];
  const make = (): NotingChannel => {
    const channel = new NotingChannel();
    all.push(channel);
    return channel;
  };
  const handles = Array.from({ length: 256 }, (_, i) => cache.handle(String(i), make));
  for (const handle of handles) handle.open(call);
  (all[7] as NotingChannel).waiting = 1;
  await clock.advance(2000);
  handles[3]?.open(call);
  cache.handle("new", make).open(call);
  assert.deepEqual(
    all.flatMap((channel, i) => (channel.closed > 0 ? [] : [i])),
    [3, 7, 256],
  );
  handles[0]?.open(call);
  assert.equal(all.length, 258);
  assert.equal(all[257]?.opened.length, 1);
});

test("after close, what is opened meets a closed channel", () => {
  const cache = new ChannelCache<NotingChannel>(testRuntime().runtime, 1000);
  cache.handle("a", () => new NotingChannel()).open(call);
  cache.close();
  cache.handle("b", () => new NotingChannel()).open(call);
  assert.deepEqual(
    cache.channels.map((channel) => channel.closed),
    [1, 1],
  );
});

test("another key with each call: the number of channels is bounded, those used last are kept, and waiting calls are not cut", async () => {
  const { runtime, clock } = testRuntime();
  const cache = new ChannelCache<NotingChannel>(runtime, 600_000);
  const all: NotingChannel[] = [];
  const open = (key: string): NotingChannel => {
    let channel: NotingChannel | undefined;
    const make = (): NotingChannel => {
      channel = new NotingChannel();
      all.push(channel);
      return channel;
    };
    cache.handle(key, make).open(call);
    return channel as NotingChannel;
  };
  const waits = open("waits");
  waits.waiting = 1;
  const loved = open("loved");
  for (let i = 0; i < 10_000; i++) {
    await clock.advance(1);
    open(String(i));
    cache.handle("loved", () => assert.fail("it was closed though it is used")).open(call);
    assert.ok(cache.channels.length <= 1024, `${cache.channels.length} channels`);
  }
  assert.deepEqual([waits.closed, loved.closed, all.at(-1)?.closed, all.at(-700)?.closed], [0, 0, 0, 0]);
  assert.equal(all.filter((channel) => channel.closed === 0).length, cache.channels.length);
  assert.ok(all.every((channel) => channel.closed <= 1));
});
