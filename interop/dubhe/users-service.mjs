// interop.peer.users.UserProvider of peers/java, described and implemented: plain Java over Triple, no .proto file.

import { bidiStream, defineService, JavaException, java, serverStream, unary } from "@dubhe/non-idl";
import { Code, RpcError } from "dubhe";

const className = (name) => `interop.peer.users.${name}`;

export const Role = java.enumeration(className("Role"), ["ADMIN", "EDITOR", "GUEST"]);
export const Address = java.pojo(className("Address"), { street: java.string.nullable(), number: java.int });
export const User = java.pojo(className("User"), {
  id: java.string.nullable(),
  age: java.int,
  visits: java.long,
  score: java.Double.nullable(),
  active: java.boolean,
  balance: java.decimal.nullable(),
  serial: java.bigInteger.nullable(),
  role: Role.nullable(),
  born: java.date.nullable(),
  joined: java.localDate.nullable(),
  seen: java.localDateTime.nullable(),
  tags: java.list(java.string).nullable(),
  lucky: java.set(java.Integer).nullable(),
  limits: java.map(java.string, java.Integer).nullable(),
  addresses: java.map(Role, Address).nullable(),
  home: Address.nullable(),
  friends: java.list(java.lazy(className("User"), () => User)).nullable(),
  photo: java.bytes.nullable(),
  scores: java.array(java.int).nullable(),
  nick: java.string.nullable(),
});

const methods = {
  getUser: unary({ input: java.string, output: User.nullable() }),
  echo: unary({ input: User.nullable(), output: User.nullable() }),
  list: unary({ input: [java.list(java.string.nullable()), Role], output: java.list(User.nullable()) }),
  index: unary({ input: java.map(java.string, java.Integer), output: java.map(java.string, User) }),
  findByName: unary({ name: "find", input: java.string, output: java.string }),
  findByNumber: unary({ name: "find", input: java.long, output: java.string }),
  sum: unary({ input: [java.int, java.long, java.Double.nullable(), java.float], output: java.double }),
  shift: unary({ input: [java.localDateTime, java.int], output: java.localDateTime }),
  touch: unary({ input: java.string }),
  fail: unary({ input: java.string, output: java.string }),
  watch: serverStream({ input: java.string, output: User }),
  rename: bidiStream({ input: User, output: java.string }),
};

export const UserProvider = defineService(className("UserProvider"), methods);
export const UserProviderJson = defineService(className("UserProvider"), methods, { codec: "json" });

/** As Users.sample of peers/java. */
export function sample(id) {
  return {
    id,
    age: 41,
    visits: 9007199254740993n,
    score: null,
    active: true,
    balance: "1234567890.10",
    serial: -123456789012345678901234567890n,
    role: "EDITOR",
    born: new Date(1_000_000_000_123),
    joined: "2024-02-29",
    seen: "2024-02-29T23:59:58.123",
    tags: ["a", "é中😀"],
    lucky: new Set([7]),
    limits: { cpu: 4 },
    addresses: { ADMIN: { street: "Office", number: 1 } },
    home: { street: "Elm Street", number: 13 },
    friends: [],
    photo: new Uint8Array([0, 1, 255]),
    scores: [3, 2, 1],
    nick: null,
  };
}

export const userHandlers = {
  getUser(id) {
    if (id === "missing")
      throw new JavaException(className("UserNotFoundException"), `no user ${id}`, { fields: { userId: id } });
    return id === "null" ? null : sample(id);
  },
  echo: (user) => user,
  list: (ids, role) => ids.map((id) => (id === null ? null : { ...sample(id), role })),
  index: (ages) => Object.fromEntries(Object.entries(ages).map(([id, age]) => [id, { ...sample(id), age }])),
  findByName: (name) => `name ${name}`,
  findByNumber: (number) => `number ${number}`,
  sum: (a, b, c, d) => a + Number(b) + (c ?? 0) + d,
  shift(time, days) {
    const at = new Date(`${time}Z`);
    at.setUTCDate(at.getUTCDate() + days);
    return at.toISOString().slice(0, 19);
  },
  touch() {},
  fail(kind) {
    if (kind === "state") {
      const cause = new JavaException("java.lang.IllegalArgumentException", "because");
      throw new JavaException("java.lang.IllegalStateException", "wrong state", { cause });
    }
    if (kind === "foreign") throw new JavaException("com.acme.Elsewhere", "elsewhere", { fields: { code: 5 } });
    if (kind === "rpc") throw new RpcError("not allowed", Code.PermissionDenied);
    throw new Error("an error");
  },
  async *watch(id) {
    if (id === "missing") throw new RpcError(`no user ${id}`, Code.NotFound);
    for (let i = 0; i < 3; i++) yield sample(`${id}-${i}`);
  },
  async *rename(users) {
    for await (const user of users) yield `renamed ${user.id}`;
  },
};
