import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChannelCall } from "@dubhe/rpc";
import { VirtualClock } from "@dubhe/testing";
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
  const cache = new ChannelCache<NotingChannel>(new VirtualClock(), 1000);
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
  const clock = new VirtualClock();
  const cache = new ChannelCache<NotingChannel>(clock, 1000);
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
  const cache = new ChannelCache<NotingChannel>(new VirtualClock(), 1000);
  cache.handle("a", () => new NotingChannel()).open(call);
  cache.close();
  cache.handle("b", () => new NotingChannel()).open(call);
  assert.deepEqual(
    cache.channels.map((channel) => channel.closed),
    [1, 1],
  );
});
