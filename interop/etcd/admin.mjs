// Somebody else's client of an etcd server: its JSON gateway by fetch, which shares nothing with what is tested, not even the
// description of the messages.
const base64 = (text) => Buffer.from(text).toString("base64");
const text = (encoded) => Buffer.from(encoded ?? "", "base64").toString();
/** The key after all keys that begin with this. */
const after = (prefix) => {
  const bytes = Buffer.from(prefix);
  bytes[bytes.length - 1] += 1;
  return bytes.toString("base64");
};

/** @param address host:port of a server without TLS */
export function adminOf(address) {
  let token;
  const post = async (path, body = {}) => {
    const answer = await fetch(`http://${address}/v3/${path}`, {
      method: "POST",
      headers: token === undefined ? {} : { authorization: token },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5_000),
    });
    const said = await answer.text();
    if (!answer.ok) throw new Error(`${path}: HTTP ${answer.status}: ${said}`);
    return JSON.parse(said);
  };
  const range = async (body) =>
    ((await post("kv/range", body)).kvs ?? []).map((kv) => ({
      key: text(kv.key),
      value: text(kv.value),
      lease: BigInt(kv.lease ?? 0),
    }));
  return {
    async healthy() {
      try {
        const answer = await fetch(`http://${address}/health`, { signal: AbortSignal.timeout(1_000) });
        return answer.ok && (await answer.json()).health === "true";
      } catch {
        return false;
      }
    },
    put: (key, value) => post("kv/put", { key: base64(key), value: base64(value) }),
    get: async (key) => (await range({ key: base64(key) }))[0],
    list: (prefix) => range({ key: base64(prefix), range_end: after(prefix) }),
    delete: (key) => post("kv/deleterange", { key: base64(key) }),
    revoke: (id) => post("lease/revoke", { ID: String(id) }),
    leases: async () => (await post("lease/leases")).leases?.map(({ ID }) => BigInt(ID)) ?? [],
    revision: async () => BigInt((await post("kv/range", { key: base64("x") })).header.revision),
    compact: (revision) => post("kv/compaction", { revision: String(revision), physical: true }),
    status: () => post("maintenance/status"),
    /** A root user, and others that may only what a Dubbo registry needs, or `rights` says; from then on a login is wanted. */
    async enableAuth(password, user, rights = {}) {
      for (const [name, secret] of Object.entries({ root: password, ...user })) {
        await post("auth/user/add", { name, password: secret });
        await post("auth/role/add", { name });
        await post("auth/user/grant", { user: name, role: name });
      }
      for (const name of Object.keys(user))
        for (const prefix of rights[name] ?? ["/services/", "/dubbo/"])
          await post("auth/role/grant", {
            name,
            perm: { permType: "READWRITE", key: base64(prefix), range_end: after(prefix) },
          });
      await post("auth/enable");
    },
    async login(name, password) {
      token = (await post("auth/authenticate", { name, password })).token;
    },
    /** A counter or gauge of the server. */
    async metric(name) {
      const answer = await fetch(`http://${address}/metrics`, { signal: AbortSignal.timeout(5_000) });
      return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(await answer.text())?.[1]);
    },
  };
}
