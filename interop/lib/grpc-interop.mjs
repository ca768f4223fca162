// gRPC's own interop cases between Dubhe and the interop client and server that grpc-go publishes, in the clear or over TLS.
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Child, run } from "../../scripts/lib/child.mjs";
import { startProvider } from "./dubhe.mjs";
import { build, interop } from "./peers.mjs";

/** What grpc-go's client and server both have, without what needs credentials, load balancing or load reports. */
const CASES = [
  "empty_unary",
  "large_unary",
  "client_streaming",
  "server_streaming",
  "ping_pong",
  "empty_stream",
  "timeout_on_sleeping_server",
  "cancel_after_begin",
  "cancel_after_first_response",
  "custom_metadata",
  "status_code_and_message",
  "special_status_message",
  "unimplemented_method",
  "unimplemented_service",
  "rpc_soak",
  "channel_soak",
];
const LOGGING = { GRPC_GO_LOG_SEVERITY_LEVEL: "info" };
const SOAK = ["--soak_num_threads=4", "--soak_iterations=200", "--soak_overall_timeout_seconds=30"];

/** Installs grpc-go's interop client and server, of the version that the grpc-go peer has, into .tools. */
async function grpcGoInterop() {
  const mod = readFileSync(join(interop, "peers", "grpc-go", "go.mod"), "utf8");
  const version = /google\.golang\.org\/grpc (v\S+)/.exec(mod)[1];
  const folder = join(interop, "..", ".tools", `grpc-go-interop-${version}`);
  const client = join(folder, "client");
  const server = join(folder, "server");
  if (!existsSync(client) || !existsSync(server)) {
    await build("grpc-go's interop client and server", () => {
      mkdirSync(folder, { recursive: true });
      const packages = ["client", "server"].map((name) => `google.golang.org/grpc/interop/${name}@${version}`);
      return run("go install grpc-go's interop programs", "go", ["install", ...packages], {
        cwd: folder,
        env: { GOBIN: folder, GOFLAGS: "-mod=mod" },
      });
    });
  }
  return { client, server };
}

/** Every case is a step of its own, and the later ones run also after one has failed. */
async function eachCase(trial, peer, runCase) {
  let first;
  for (const name of CASES) {
    try {
      await trial.step(peer, name, () => runCase(name));
    } catch (failed) {
      console.log(`  FAIL ${peer}: ${name}\n         ${failed.message.split("\n").join("\n         ")}`);
      first ??= failed;
    }
  }
  if (first !== undefined) throw first;
}

/** @param tls files of a certificate, or undefined */
export async function interopCases(trial, tls) {
  const programs = await grpcGoInterop();

  const secured = tls ? ["--use_tls", `--tls_cert_file=${tls.cert}`, `--tls_key_file=${tls.key}`] : [];
  // It says its port in the log only, which goes to stderr.
  const server = trial.start(
    "grpc-go interop server",
    "sh",
    ["-c", 'exec "$0" "$@" 2>&1', programs.server, "--port=0", ...secured],
    { env: LOGGING },
  );
  const toGo = await trial.tap(
    "Dubhe to grpc-go",
    { port: Number((await server.waitFor(/listening on \S+:(\d+)/, 20_000))[1]) },
    { encrypted: tls !== undefined },
  );
  const args = ["--url", `tri://127.0.0.1:${toGo.port}`, ...(tls ? ["--tls-ca", tls.cert] : [])];
  const program = join(interop, "dubhe", "test-client.mjs");
  const dubhe = trial.start("dubhe client", process.execPath, ["--enable-source-maps", program, ...args]);
  await dubhe.wait(120_000);
  const lines = new Map(
    dubhe.stdout
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line))
      .map((line) => [line.case, line]),
  );
  await eachCase(trial, "Dubhe client, grpc-go server", (name) => {
    const line = lines.get(name);
    if (line === undefined) throw new Error("the client did not report it");
    if (!line.ok) throw new Error(line.error);
    return `${line.saw} (${line.ms.toFixed(1)} ms)`;
  });

  const provider = await startProvider(trial, "dubhe server", {
    service: "test",
    "tls-cert": tls?.cert,
    "tls-key": tls?.key,
  });
  const toDubhe = await trial.tap("grpc-go to Dubhe", { port: provider.port }, { encrypted: tls !== undefined });
  const trust = tls ? ["--use_tls", "--use_test_ca", `--ca_file=${tls.cert}`] : [];
  await eachCase(trial, "grpc-go client, Dubhe server", async (name) => {
    // By address: grpc-go asks the name server about localhost, which may take seconds to answer.
    const at = ["--server_host=127.0.0.1", `--server_port=${toDubhe.port}`];
    const client = new Child(
      "grpc-go interop client",
      programs.client,
      [...at, ...trust, ...SOAK, `--test_case=${name}`],
      {
        env: LOGGING,
      },
    );
    const end = await client.wait(60_000);
    if (end.code !== 0) throw new Error(`exit ${end.code ?? end.signal}\n${client.tail(8)}`);
    // "PingPong done": the case ran, and not only the program.
    const done = /interop\] (\w+ done)/.exec(client.stderr);
    if (done === null) throw new Error(`it did not say that it is done\n${client.tail(8)}`);
    return done[1];
  });
}
