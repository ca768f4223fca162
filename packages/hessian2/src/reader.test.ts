import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeValue,
  HessianError,
  HessianReader,
  JavaDouble,
  JavaList,
  JavaLong,
  JavaMap,
  type JavaObject,
  toPlain,
} from "./index.js";
import { goAnswer } from "./test-support/recorded.js";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");
const read = (text: string) => decodeValue(hex(text));
const typed = (text: string) => decodeValue(hex(text), { typed: true });
const ascii = (text: string) => Buffer.from(text).toString("hex");

test("what a dubbo-go provider answers", () => {
  const reader = new HessianReader(goAnswer);
  assert.equal(reader.read(), 4);
  const info = reader.read() as JavaObject;
  assert.equal(info.className, "org.apache.dubbo.metadata.MetadataInfo");
  assert.deepEqual(Object.keys(info.fields), ["app", "revision", "tag", "services"]);
  const service = (info.fields["services"] as Map<string, JavaObject>).get("greet.GreetService:tri");
  assert.equal(service?.className, "org.apache.dubbo.metadata.MetadataInfo$ServiceInfo");
  assert.equal(service?.fields["port"], 20_000);
  assert.deepEqual((toPlain(service) as { params: object }).params, {
    application: "go-provider",
    timestamp: "1795412862",
    loadbalance: "random",
    weight: "0",
    release: "dubbo-golang-3.3.2",
    methods:
      "Greet,greet,GreetBidiStream,greetBidiStream,GreetClientStream,greetClientStream,GreetServerStream,greetServerStream",
    cluster: "failover",
  });
  assert.equal((reader.read() as Map<string, string>).get("group"), "go-provider");
  assert.equal(reader.read(), null);
  assert.ok(reader.done);
});

// http://hessian.caucho.com/doc/hessian-serialization.html gives these bytes as examples.
const examples: readonly (readonly [bytes: string, value: unknown])[] = [
  ["4e", null],
  ["54", true],
  ["46", false],
  ["90", 0],
  ["80", -16],
  ["bf", 47],
  ["c800", 0],
  ["c000", -2048],
  ["c700", -256],
  ["cfff", 2047],
  ["d40000", 0],
  ["d00000", -262_144],
  ["d7ffff", 262_143],
  ["4900000000", 0],
  ["490000012c", 300],
  ["4980000000", -0x80000000],
  ["e0", 0],
  ["d8", -8],
  ["ef", 15],
  ["f800", 0],
  ["f000", -2048],
  ["f700", -256],
  ["ffff", 2047],
  ["3c0000", 0],
  ["380000", -262_144],
  ["3fffff", 262_143],
  ["5900000000", 0],
  ["590000012c", 300],
  ["4c000000000000012c", 300],
  ["4c7fffffffffffffff", 0x7fffffffffffffffn],
  ["4c8000000000000000", -0x8000000000000000n],
  ["5b", 0],
  ["5c", 1],
  ["5d00", 0],
  ["5d80", -128],
  ["5d7f", 127],
  ["5e0000", 0],
  ["5e8000", -32_768],
  ["5e7fff", 32_767],
  ["444028800000000000", 12.25],
  ["447ff8000000000000", Number.NaN],
  ["5f000005dc", 1.5],
  ["00", ""],
  ["0568656c6c6f", "hello"],
  ["01c383", "\u00c3"],
  ["53000568656c6c6f", "hello"],
  [`520007${ascii("hello, ")}05${ascii("world")}`, "hello, world"],
  [`520007${ascii("hello, ")}3005${ascii("world")}`, "hello, world"],
  ["20", new Uint8Array(0)],
  ["23010203", new Uint8Array([1, 2, 3])],
  ["34021011", new Uint8Array([16, 17])],
  ["4200021011", new Uint8Array([16, 17])],
  ["41000110" + "2111", new Uint8Array([16, 17])],
  ["4a000000d04b9284b8", new Date("1998-05-08T09:51:31.000Z")],
  ["4b00e3838f", new Date("1998-05-08T09:51:00.000Z")],
  ["7a9091", [0, 1]],
  ["5892" + "9091", [0, 1]],
  ["57" + "9091" + "5a", [0, 1]],
  ["72" + "045b696e74" + "9091", [0, 1]],
  ["56" + "045b696e74" + "92" + "9091", [0, 1]],
  ["55" + "045b696e74" + "9091" + "5a", [0, 1]],
];

for (const [bytes, value] of examples) {
  test(`${bytes} is what the specification says`, () => {
    assert.deepEqual(read(bytes), value);
  });
}

test("maps keep the types of their keys and their order", () => {
  const map = read(`48 91 0166 e2 0167 4e 5c 5a`) as Map<unknown, unknown>;
  assert.deepEqual(
    [...map],
    [
      [1, "f"],
      [2, "g"],
      [null, 1],
    ],
  );
});

test("typed reading keeps what JavaScript does not tell apart", () => {
  assert.deepEqual(typed("91"), 1);
  assert.deepEqual(typed("e1"), new JavaLong(1n));
  assert.deepEqual(typed("5c"), new JavaDouble(1));
  assert.deepEqual(typed(`71 04${ascii("[int")} 91`), new JavaList("[int", [1]));
  assert.deepEqual(typed(`4d 05${ascii("a.Map")} 0161 91 5a`), new JavaMap("a.Map", new Map([["a", 1]])));
});

test("types are referred to by number", () => {
  const value = decodeValue(hex(`7a 71 04${ascii("[int")} 91 71 90 92`), { typed: true });
  assert.deepEqual(value, [new JavaList("[int", [1]), new JavaList("[int", [2])]);
});

test("the specification's two objects of one class", () => {
  const car = `43 0b${ascii("example.Car")} 92 05${ascii("color")} 05${ascii("model")}`;
  const value = read(
    `7a ${car} 4f90 03${ascii("red")} 08${ascii("corvette")} 60 05${ascii("green")} 05${ascii("civic")}`,
  );
  assert.deepEqual(toPlain(value), [
    { color: "red", model: "corvette" },
    { color: "green", model: "civic" },
  ]);
});

test("a list that refers to itself", () => {
  // LinkedList = { head, tail } of the specification.
  const value = read(`43 0a${ascii("LinkedList")} 92 04${ascii("head")} 04${ascii("tail")} 4f90 91 5190`) as JavaObject;
  assert.equal(value.fields["head"], 1);
  assert.equal(value.fields["tail"], value);
});

test("characters above U+FFFF, in Java's six bytes and in UTF-8's four", () => {
  assert.equal(read("02 eda0bd edb880"), "😀");
  assert.equal(read("02 f09f9880"), "😀");
  assert.equal(read("01 eda0bd"), "\ud83d");
  // Chunks of a writer that does split pairs, and Java's modified UTF-8 of a NUL.
  assert.equal(read("52 0001 eda0bd 01 edb880"), "😀");
  assert.equal(read("03 61 c080 62"), "a\0b");
});

test("a date beyond JavaScript's is invalid, and the rest is read", () => {
  const [date, more] = read("7a 4a7fffffffffffffff 91") as [Date, number];
  assert.ok(Number.isNaN(date.getTime()));
  assert.equal(more, 1);
});

const hostile: readonly (readonly [what: string, bytes: Buffer, message: RegExp])[] = [
  ["nothing", hex(""), /bytes end at 0/],
  ["a cut int", hex("4900"), /bytes end/],
  ["a cut long", hex("4c0000"), /bytes end/],
  ["a string longer than the input", hex("53ffff61"), /string of 65535 characters at byte 3, with 1 bytes left/],
  ["a string cut within a character", hex("02c3"), /string of 2|bytes end within|malformed/],
  ["a string with broken UTF-8", hex("02ff61"), /malformed UTF-8/],
  ["a string with a lone continuation", hex("018061"), /malformed UTF-8/],
  ["four bytes beyond Unicode", hex("02f5808080"), /malformed UTF-8/],
  ["four bytes that are two", hex("02f0808080"), /malformed UTF-8/],
  ["bytes longer than the input", hex("42ffff61"), /65535 more wanted/],
  ["a chunk without a last one", hex("520001 61"), /bytes end/],
  ["a chunk of another kind", hex("520001 61 90"), /unexpected 0x90/],
  ["a list of two billion", hex("58497fffffff"), /list of 2147483647 at byte 6, with 0 bytes left/],
  ["a negative list", hex("588f"), /negative length of a list/],
  ["a class of two billion fields", hex("430158497fffffff"), /class definition of 2147483647/],
  ["an object of no class", hex("6f"), /object of class 15 of 0/],
  ["a reference to nothing", hex("5190"), /reference to 0 of 0/],
  ["a negative reference", hex("518f"), /negative reference/],
  ["a type that was not named", hex("7190"), /reference to type 0 of 0/],
  ["an end without a beginning", hex("5a"), /unexpected 0x5a/],
  ["an end in a list with a length", hex("795a"), /unexpected 0x5a/],
  ["an end instead of a map's value", hex("48905a"), /unexpected 0x5a/],
  ["a code that is none", hex("40"), /unexpected 0x40/],
  ["bytes behind the value", hex("9191"), /1 bytes behind the value/],
  ["200 000 lists in one another", Buffer.from("79".repeat(200_000), "hex"), /nested more than 256 deep/],
  ["200 000 maps in one another", Buffer.from("48".repeat(200_000), "hex"), /nested more than 256 deep/],
  [
    "two million objects of a byte each",
    Buffer.concat([
      hex("58491fffffff".replace("1fffffff", "001e8480")),
      hex("43015890"),
      Buffer.alloc(2_000_000, 0x60),
    ]),
    /more than 1000000 lists, maps, objects and classes/,
  ],
  ["200 000 empty chunks", Buffer.from("520000".repeat(200_000), "hex"), /bytes end/],
  ["200 000 definitions", Buffer.from("43015890".repeat(200_000), "hex"), /bytes end/],
];

for (const [what, bytes, message] of hostile) {
  test(`${what}: a clear error`, () => {
    assert.throws(
      () => decodeValue(bytes),
      (error) => error instanceof HessianError && message.test(error.message),
    );
  });
}

test("the limits can be set", () => {
  assert.throws(() => decodeValue(hex("797990"), { maxDepth: 2 }), /nested more than 2 deep/);
  assert.deepEqual(decodeValue(hex("797990"), { maxDepth: 3 }), [[0]]);
  assert.throws(() => decodeValue(hex("797990"), { maxObjects: 1 }), /more than 1 lists/);
});

test("names of Object.prototype are names like any other", () => {
  const key = `09${ascii("__proto__")}`;
  const map = read(`48 ${key} 48 05${ascii("admin")} 54 5a 5a`) as Map<string, unknown>;
  assert.ok(map.get("__proto__") instanceof Map);
  const plain = toPlain(map) as Record<string, unknown>;
  assert.equal(Object.getPrototypeOf(plain), Object.prototype);
  assert.deepEqual(Object.keys(plain), ["__proto__"]);
  assert.equal((plain as { admin?: unknown }).admin, undefined);

  const object = read(`43 0158 92 ${key} 0b${ascii("constructor")} 60 48 05${ascii("admin")} 54 5a 91`) as JavaObject;
  assert.deepEqual(Object.keys(object.fields), ["__proto__", "constructor"]);
  assert.equal(object.fields["admin"], undefined);
  assert.equal(object.fields["toString"], undefined);
  const fields = toPlain(object) as Record<string, unknown>;
  assert.deepEqual(Object.keys(fields), ["__proto__", "constructor"]);
  assert.equal(fields["admin"], undefined);
  assert.equal(({} as { admin?: unknown }).admin, undefined);
});

test("what is read does not point into the input", () => {
  const bytes = hex("23010203");
  const value = decodeValue(bytes);
  bytes.fill(0);
  assert.deepEqual(value, new Uint8Array([1, 2, 3]));
});
