// A Dubhe consumer of UserProvider: all that users-calls.mjs asks, then generic calls. Prints a line for each; fails by its exit code.
// node users-consumer.mjs (--url tri://… | --registry URL) [--provided-by APP] [--java] [--codec hessian2|json|plain-json]
import { parseArgs } from "node:util";
import { genericService } from "@dubhe/non-idl";
import { createApp } from "dubhe";
import { callByPlainJson, callGenerically, callUsers } from "./users-calls.mjs";
import { UserProvider, UserProviderJson } from "./users-service.mjs";

const { values: flags } = parseArgs({
  options: {
    url: { type: "string" },
    registry: { type: "string" },
    "provided-by": { type: "string" },
    java: { type: "boolean", default: false },
    codec: { type: "string", default: "hessian2" },
  },
});
const app = createApp({ name: "dubhe-users-consumer", registry: flags.registry ?? "memory:" });
const options = {
  ...(flags.url && { url: flags.url }),
  ...(flags["provided-by"] && { providedBy: flags["provided-by"] }),
};
try {
  const service = flags.codec === "hessian2" ? UserProvider : UserProviderJson;
  if (flags.codec === "plain-json") await callByPlainJson(app.client(service, { ...options, unary: "triple" }));
  else await callUsers(app.client(service, options), { java: flags.java, exceptions: flags.codec !== "json" });
  console.log(`calls of the interface by ${flags.codec}`);
  await callGenerically(app.client(genericService("interop.peer.users.UserProvider"), options));
  console.log("generic calls");
} finally {
  await app.close();
}
