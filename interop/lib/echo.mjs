// Echo cases between grpc-go and Dubhe, in the clear or over TLS.
import assert from "node:assert/strict";
import { startConsumer, startProvider } from "./dubhe.mjs";
import { grpcGo } from "./peers.mjs";
import { describeCase, linesOf } from "./verdicts.mjs";

// biome-ignore format: one group a line
const BOTH = [
  "unary", "unary-empty", "unary-3mib", "unary-gzip",
  "server-stream-1000", "server-stream-3mib", "client-stream-1000", "client-stream-3mib",
  "bidi-ping-pong", "bidi-1000", "bidi-3mib", "bidi-gzip",
  "metadata", "status", "deadline", "cancel", "cancel-bidi", "slow-reader", "concurrent",
];
const GO_ONLY = ["unknown-method"];

/** Every case with grpc-go as the server, then with grpc-go as the client. @param tls files of a certificate, or undefined */
export async function bothDirections(trial, tls) {
  const binary = await grpcGo();
  const serverTls = tls ? ["--tls-cert", tls.cert, "--tls-key", tls.key] : [];
  const startServer = async (...flags) => {
    const child = trial.start("grpc-go server", binary, ["server", ...serverTls, ...flags]);
    return Number((await child.waitFor(/^READY (\d+)/m, 20_000))[1]);
  };
  const dubheCases = async (port, names) => {
    const tap = await trial.tap("Dubhe to grpc-go", { port }, { encrypted: tls !== undefined });
    const url = `tri://127.0.0.1:${tap.port}`;
    const child = startConsumer(trial, "dubhe consumer", {
      service: "echo",
      url,
      "tls-ca": tls?.cert,
      calls: names.join(","),
    });
    const saw = (await linesOf(child, names)).map(describeCase);
    return [...saw, `${tap.accepted} connections`];
  };

  await trial.step("grpc-go server", "answers Dubhe (100 streams a connection)", async () =>
    dubheCases(await startServer("--max-streams", "100"), BOTH),
  );
  await trial.step("grpc-go server", "says GOAWAY to connections that are 1.2 s old", async () => {
    const saw = await dubheCases(await startServer("--max-age", "1200ms"), ["goaway"]);
    assert.match(saw.at(-1), /^[3-9] connections/, "connections in 5 s");
    return saw;
  });

  const provider = await startProvider(trial, "dubhe provider", {
    service: "echo",
    "tls-cert": tls?.cert,
    "tls-key": tls?.key,
  });
  const tap = await trial.tap("grpc-go to Dubhe", { port: provider.port }, { encrypted: tls !== undefined });
  await trial.step("grpc-go client", "calls Dubhe", async () => {
    const trust = tls ? ["--tls-ca", tls.cert] : [];
    const child = trial.start("grpc-go client", binary, ["client", "--address", `127.0.0.1:${tap.port}`, ...trust]);
    const end = await child.wait(180_000);
    const lines = child.stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line));
    const failed = lines.filter((line) => !line.ok);
    assert.equal(failed.length, 0, failed.map((line) => `${line.case}: ${line.error}`).join("\n"));
    assert.deepEqual(lines.map((line) => line.case).sort(), [...BOTH, ...GO_ONLY].sort());
    assert.equal(end.code, 0);
    return lines.map(describeCase);
  });
}
