import { Code, RpcError } from "@dubhe/rpc";
import { defineService } from "../define-service.js";
import { java, type ObjectOutput, type OutputOf } from "../java.js";
import { JavaException } from "../java-exception.js";
import type { JavaType } from "../java-type.js";
import { bidiStream, clientStream, type ServiceHandlers, serverStream, unary } from "../method-spec.js";

/** The interface of interop/peers/java, and a client stream. */
const packageName = "interop.peer.users";

export const Role = java.enumeration(`${packageName}.Role`, ["ADMIN", "EDITOR", "GUEST"]);
export const Address = java.pojo(`${packageName}.Address`, { street: java.string.nullable(), number: java.int });

const fields = {
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
  photo: java.bytes.nullable(),
  scores: java.array(java.int).nullable(),
  nick: java.string.nullable(),
};

export type UserValue = ObjectOutput<typeof fields> & { friends: UserValue[] | null };

export const User: JavaType<UserValue> = java.pojo(`${packageName}.User`, {
  ...fields,
  friends: java.list(java.lazy<UserValue>(`${packageName}.User`, () => User)).nullable(),
}) as unknown as JavaType<UserValue>;

export const methods = {
  getUser: unary({ input: java.string, output: User.nullable() }),
  echo: unary({ input: User.nullable(), output: User.nullable() }),
  list: unary({ input: [java.list(java.string.nullable()), Role], output: java.list(User.nullable()) }),
  findByName: unary({ name: "find", input: java.string, output: java.string }),
  findByNumber: unary({ name: "find", input: java.long, output: java.string }),
  touch: unary({ input: java.string }),
  watch: serverStream({ input: java.string, output: User }),
  count: clientStream({ input: java.string.nullable(), output: java.int }),
  rename: bidiStream({ input: User, output: java.string }),
};

export const UserProvider = defineService(`${packageName}.UserProvider`, methods);
export const UserProviderJson = defineService(`${packageName}.UserProvider`, methods, { codec: "json" });

export function sample(id: string): UserValue {
  return {
    id,
    age: 41,
    visits: 9007199254740993n,
    score: null,
    active: true,
    balance: "1234567890.10",
    serial: -123456789012345678901234567890n,
    role: "EDITOR",
    // oxlint-disable-next-line no-restricted-globals -- Date is a value here, not the time.
    born: new Date(1_000_000_000_123),
    joined: "2024-02-29",
    seen: "2024-02-29T23:59:58.123",
    tags: ["a", "é中😀"],
    lucky: new Set([7]),
    limits: { cpu: 4 },
    addresses: { ADMIN: { street: "Office", number: 1 } } as OutputOf<typeof fields.addresses>,
    home: { street: "Elm Street", number: 13 },
    friends: [],
    photo: new Uint8Array([0, 1, 255]),
    scores: [3, 2, 1],
    nick: null,
  };
}

export const handlers: ServiceHandlers<typeof methods> = {
  getUser(id) {
    if (id === "missing")
      throw new JavaException(`${packageName}.UserNotFoundException`, "no user missing", { fields: { userId: id } });
    if (id === "denied") throw new RpcError("not allowed", Code.PermissionDenied);
    if (id === "broken") return { ...sample(id), age: 1.5 };
    return id === "null" ? null : sample(id);
  },
  echo: (user) => user,
  list: (ids, role) => ids.map((id) => (id === null ? null : { ...sample(id), role })),
  findByName: async (name) => `name ${name}`,
  findByNumber: (number) => `number ${number}`,
  touch() {},
  async *watch(id) {
    for (let i = 0; i < 3; i++) yield sample(`${id}-${i}`);
  },
  async count(names) {
    let count = 0;
    for await (const _ of names) count++;
    return count;
  },
  async *rename(users) {
    for await (const user of users) yield `renamed ${user.id}`;
  },
};
