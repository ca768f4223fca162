import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ServerTlsOptions } from "@dubhe/http2";
import { type IssuedCertificate, leakCheck, TestAuthority, testRuntime, VirtualClock } from "@dubhe/testing";
import { checkServerTls, ServerCertificates, type ServerTls } from "./server-tls.js";

const authority = new TestAuthority();
const [first, second, third] = ["first", "second", "third"].map((name) => authority.issue({ name })) as [
  IssuedCertificate,
  IssuedCertificate,
  IssuedCertificate,
];

/**
 * A folder as Kubernetes mounts a secret: `tls.crt` → `..data/tls.crt`, `..data` → a folder of the version, and a renewal
 * makes a new folder and renames a new `..data` over the old one.
 */
class SecretVolume {
  readonly path: string;
  #version = 0;

  constructor(t: TestContext, certificate: IssuedCertificate) {
    this.path = mkdtempSync(join(tmpdir(), "secret-"));
    t.after(() => rmSync(this.path, { recursive: true }));
    this.swap(certificate);
    for (const file of ["tls.crt", "tls.key"]) symlinkSync(join("..data", file), join(this.path, file));
  }

  get files(): { certFile: string; keyFile: string } {
    return { certFile: join(this.path, "tls.crt"), keyFile: join(this.path, "tls.key") };
  }

  swap(certificate: IssuedCertificate): void {
    const version = `..${++this.#version}`;
    mkdirSync(join(this.path, version));
    writeFileSync(join(this.path, version, "tls.crt"), certificate.cert);
    writeFileSync(join(this.path, version, "tls.key"), certificate.key);
    symlinkSync(version, join(this.path, "..new"));
    renameSync(join(this.path, "..new"), join(this.path, "..data"));
  }
}

function watched(t: TestContext, options: (volume: SecretVolume) => ServerTls) {
  leakCheck(t);
  const clock = new VirtualClock({ wallTime: Date.UTC(2026, 0, 1) });
  const { runtime, reports } = testRuntime({ clock });
  const volume = new SecretVolume(t, first);
  const certificates = new ServerCertificates(runtime, options(volume));
  const applied: ServerTlsOptions[] = [];
  certificates.start((tls) => applied.push(tls));
  t.after(() => certificates.close());
  return { clock, reports, volume, certificates, applied };
}

const subjectOf = (certificates: ServerCertificates): string => certificates.inspect().certificate!.subject;

test("a secret that Kubernetes swaps is in use within reloadMs", async (t) => {
  const { clock, volume, certificates, applied } = watched(t, ({ files }) => files);
  assert.equal(String(certificates.current.cert), first.cert);
  await clock.advance(60_000);
  assert.equal(applied.length, 0, "nothing is new");
  volume.swap(second);
  await clock.advance(9_000);
  assert.equal(applied.length, 0);
  await clock.advance(1_000);
  assert.deepEqual([String(applied[0]!.cert), String(applied[0]!.key)], [second.cert, second.key]);
  assert.deepEqual(certificates.inspect(), {
    loadedAt: Date.UTC(2026, 0, 1) + 70_000,
    certificate: {
      subject: "CN=second",
      names: "DNS:localhost, IP Address:127.0.0.1",
      validTo: "2119-01-01T00:00:00.000Z",
      fingerprint256: certificates.inspect().certificate!.fingerprint256,
    },
    problem: null,
  });
  await clock.advance(60_000);
  assert.equal(applied.length, 1);
});

const bad: readonly [string, IssuedCertificate, RegExp][] = [
  ["of which only the certificate is new", { ...first, cert: second.cert }, /mismatch/],
  ["that is half written", { ...second, cert: second.cert.slice(0, 200) }, /./],
  ["that is empty", { ...second, cert: "" }, /./],
  ["that is over", authority.issue({ name: "old", notAfter: "20250101000000Z" }), /CN=old has expired on 2025-01-01/],
];

for (const [what, pair, message] of bad) {
  test(`a pair ${what} changes nothing, is reported once, and the next good one is taken`, async (t) => {
    const { clock, reports, volume, certificates, applied } = watched(t, ({ files }) => files);
    volume.swap(pair);
    await clock.advance(50_000);
    assert.equal(applied.length, 0);
    assert.equal(reports.length, 1);
    assert.match(String(reports[0]!.error), message);
    assert.match(certificates.inspect().problem!, message);
    assert.equal(subjectOf(certificates), "CN=first");
    volume.swap(third);
    await clock.advance(10_000);
    assert.equal(applied.length, 1);
    assert.equal(subjectOf(certificates), "CN=third");
    assert.equal(certificates.inspect().problem, null);
  });
}

test("files that vanish are reported, and no problem any more when they are back", async (t) => {
  const { clock, reports, volume, certificates, applied } = watched(t, ({ files }) => files);
  renameSync(join(volume.path, "..data"), join(volume.path, "..gone"));
  await clock.advance(10_000);
  assert.match(certificates.inspect().problem!, /cannot read .*tls\.crt \(certFile of tls\): ENOENT/);
  renameSync(join(volume.path, "..gone"), join(volume.path, "..data"));
  await clock.advance(10_000);
  assert.equal(certificates.inspect().problem, null);
  assert.deepEqual([applied.length, reports.length], [0, 1]);
});

test("a listener that refuses the new pair keeps the old one", async (t) => {
  leakCheck(t);
  const { runtime, clock, reports } = testRuntime();
  const volume = new SecretVolume(t, first);
  const certificates = new ServerCertificates(runtime, volume.files);
  t.after(() => certificates.close());
  certificates.start(() => {
    throw new Error("no");
  });
  volume.swap(second);
  await clock.advance(10_000);
  assert.equal(subjectOf(certificates), "CN=first");
  assert.equal(reports.length, 1);
  assert.throws(() => certificates.reload(), /no/);
  assert.equal(subjectOf(certificates), "CN=first");
});

test("authorities that are not whole are not taken: node:tls would leave them out, and refuse every client", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "ca-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const caFile = join(folder, "ca.crt");
  const both = `${authority.cert}${new TestAuthority("Other").cert}`;
  writeFileSync(caFile, authority.cert);
  const { clock, reports, certificates, applied } = watched(t, () => ({ ...first, caFile, requestCert: true }));
  for (const half of [
    both.slice(0, -100),
    authority.cert.slice(0, 100),
    "",
    both.slice(0, authority.cert.length + 30),
  ]) {
    writeFileSync(caFile, half);
    await clock.advance(10_000);
    assert.match(certificates.inspect().problem!, /ca\.crt \(caFile of tls\) /);
    assert.throws(() => certificates.reload(), /caFile of tls/);
    assert.throws(() => new ServerCertificates(testRuntime().runtime, { ...first, caFile }), /caFile of tls/);
  }
  assert.equal(applied.length, 0);
  writeFileSync(caFile, both);
  await clock.advance(10_000);
  assert.deepEqual([String(applied[0]!.ca), certificates.inspect().problem], [both, null]);
  assert.ok(reports.length > 0);
});

test("certificates by name are polled too, each with its files", async (t) => {
  const { clock, volume, applied } = watched(t, ({ files }) => ({ ...second, sni: { "a.example": files } }));
  volume.swap(third);
  await clock.advance(10_000);
  assert.equal(String(applied[0]!.sni!["a.example"]!.cert), third.cert);
  assert.equal(applied[0]!.cert, second.cert);
});

test("reloadMs, and 0 for never", async (t) => {
  const quick = watched(t, ({ files }) => ({ ...files, reloadMs: 100 }));
  quick.volume.swap(second);
  await quick.clock.advance(100);
  assert.equal(quick.applied.length, 1);
  const never = watched(t, ({ files }) => ({ ...files, reloadMs: 0 }));
  never.volume.swap(second);
  await never.clock.advance(1_000_000);
  assert.equal(never.applied.length, 0);
  never.certificates.reload();
  assert.equal(subjectOf(never.certificates), "CN=second");
});

test("reload from other options, which are those that are polled from then on", async (t) => {
  const { clock, volume, certificates, applied } = watched(t, ({ files }) => files);
  const other = new SecretVolume(t, second);
  certificates.reload(other.files);
  assert.equal(applied.length, 1);
  volume.swap(third);
  await clock.advance(10_000);
  assert.equal(applied.length, 1);
  other.swap(third);
  await clock.advance(10_000);
  assert.equal(applied.length, 2);
  assert.throws(() => certificates.reload({ certFile: "/none", keyFile: "/none" }), /cannot read \/none/);
  other.swap(first);
  await clock.advance(10_000);
  assert.equal(applied.length, 3, "a failed reload changes nothing, also not what is polled");
});

for (const [tls, message] of [
  [{ certfile: "x" }, /unknown option "certfile" of tls.*certFile/],
  [{ certFile: "x", cert: "y" }, /takes certFile or cert, not both/],
  [{ certFile: "" }, /certFile of tls is the path/],
  [{ sni: { a: { keyFile: 1 } } }, /keyFile of tls\.sni\["a"\] is the path/],
  [{ reloadMs: -1 }, /reloadMs of tls/],
  [{ requestCert: true }, /requestCert of tls needs caFile/],
  [{ requestCert: true, ca: "" }, /requestCert of tls needs caFile/],
  [{}, /tls of createServer needs certFile and keyFile/],
  [{ sni: {} }, /tls of createServer needs certFile and keyFile/],
  [{ certFile: "x" }, /tls takes certFile only together with keyFile/],
  [{ key: "x" }, /tls takes key only together with cert/],
  [{ sni: { a: { certFile: "x" } } }, /tls\.sni\["a"\] takes certFile only together with keyFile/],
  [{ sni: { a: {} } }, /tls\.sni\["a"\] needs certFile and keyFile/],
  [{ sni: { a: { certfile: "x" } } }, /unknown option "certfile" of tls\.sni\["a"\].*certFile/],
  [{ certFile: "x", keyFile: "x", caFile: "x" }, /caFile of tls .* requestCert: true/],
] as const) {
  test(`refused: ${JSON.stringify(tls)}`, () => {
    assert.throws(() => checkServerTls(tls as unknown as ServerTls), message);
  });
}
