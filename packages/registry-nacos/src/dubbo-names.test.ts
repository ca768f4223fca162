import assert from "node:assert/strict";
import { test } from "node:test";
import {
  configName,
  hasWildcard,
  interfaceServiceName,
  interfaceServiceNames,
  mayOffer,
  parseInterfaceServiceName,
} from "./dubbo-names.js";

const ref = (service: string, version = "", group = "") => ({ service, version, group });

test("the name of an interface's providers has all its colons, as dubbo-go and dubbo-java write it", () => {
  assert.equal(interfaceServiceName(ref("greet.GreetService")), "providers:greet.GreetService::");
  assert.equal(interfaceServiceName(ref("a.B", "1.0.0", "blue")), "providers:a.B:1.0.0:blue");
  assert.equal(interfaceServiceName(ref("a.Outer$Inner", "", "g")), "providers:a.Outer___Inner::g");
});

test("a reference stands for that name and for the one of old dubbo-java, which leaves out colons", () => {
  assert.deepEqual(interfaceServiceNames(ref("a.B")), ["providers:a.B::", "providers:a.B"]);
  assert.deepEqual(interfaceServiceNames(ref("a.B", "1.0.0")), ["providers:a.B:1.0.0:", "providers:a.B:1.0.0"]);
  assert.deepEqual(interfaceServiceNames(ref("a.B", "1.0.0", "g")), ["providers:a.B:1.0.0:g"]);
  assert.deepEqual(interfaceServiceNames(ref("a.B", "", "g")), ["providers:a.B::g", "providers:a.B:g"]);
  assert.deepEqual(interfaceServiceNames(ref("a.B", "0.0.0")), [
    "providers:a.B::",
    "providers:a.B",
    "providers:a.B:0.0.0:",
    "providers:a.B:0.0.0",
  ]);
});

test("wildcards pick from the names of all services", () => {
  assert.ok(hasWildcard(ref("a.B", "*")) && hasWildcard(ref("a.B", "1", "*")) && hasWildcard(ref("a.B", "", "g,h")));
  assert.ok(!hasWildcard(ref("a.B", "1.0.0", "g")));
  const names = [
    "providers:a.B::",
    "providers:a.B:1.0.0:g",
    "providers:a.B:2.0.0:h",
    "providers:a.B:1.0.0",
    "providers:a.BC::",
    "consumers:a.B::",
    "shop",
    "providers:a.B:1:g:more",
  ];
  const of = (version: string, group: string): string[] =>
    names.filter((name) => mayOffer(name, ref("a.B", version, group)));
  assert.deepEqual(of("*", "*"), names.slice(0, 4));
  // The last one may have a group: whoever reads its providers sees.
  assert.deepEqual(of("*", "g,h"), names.slice(1, 4));
  assert.deepEqual(of("1.0.0", "*"), [names[1], names[3]]);
  assert.deepEqual(of("0.0.0", "*"), [names[0], names[3]]);
  assert.equal(parseInterfaceServiceName("providers:"), undefined);
  assert.ok(mayOffer("providers:a.Outer___Inner::", ref("a.Outer$Inner", "*", "*")));
});

test("names of configurations as dubbo-java's wrapper writes them", () => {
  assert.deepEqual(configName("mapping", "a.Outer$Inner"), { group: "mapping", dataId: "a.Outer___Inner" });
  assert.deepEqual(configName("a/b", "c/d"), { group: "a-b", dataId: "c-d" });
});
