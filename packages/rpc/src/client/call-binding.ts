import { type Connection, type FieldList, HeaderTemplate } from "@dubhe/http2";
import { acceptedEncodings } from "../compression.js";
import { headerValue } from "../header-rules.js";
import type { MethodInfo } from "../method.js";
import type { ClientOptions } from "./client-options.js";

export const defaultUserAgent = "grpc-node-dubhe/0.1.0";

/** Combinations of group, version, application… kept per method; one that varies without end must not fill the memory. */
const maxBindings = 64;

/**
 * A method together with what else is constant in a client's request headers. Shared by all clients that agree on it, so a
 * client per request finds its header blocks encoded: one template per connection, which dies with that connection.
 */
export class CallBinding {
  readonly method: MethodInfo;
  readonly #fields: FieldList;
  readonly #templates = new WeakMap<Connection, HeaderTemplate>();

  constructor(method: MethodInfo, fields: FieldList) {
    this.method = method;
    this.#fields = fields;
  }

  template(connection: Connection, authority: string): HeaderTemplate {
    let template = this.#templates.get(connection);
    if (template === undefined) {
      template = new HeaderTemplate([
        ":method",
        "POST",
        ":scheme",
        connection.secure ? "https" : "http",
        ":path",
        this.method.path,
        ":authority",
        authority,
        "content-type",
        "application/grpc",
        "te",
        "trailers",
        ...this.#fields,
      ]);
      this.#templates.set(connection, template);
    }
    return template;
  }
}

const bindings = new WeakMap<MethodInfo, Map<string, CallBinding>>();

export function bindingOf(method: MethodInfo, options: ClientOptions): CallBinding {
  let known = bindings.get(method);
  if (known === undefined) {
    known = new Map();
    bindings.set(method, known);
  }
  const key = bindingKey(options);
  let binding = known.get(key);
  if (binding === undefined) {
    binding = new CallBinding(method, constantFields(options));
    // First in, first out: of an endless variety none is worth more than another.
    if (known.size >= maxBindings) known.delete(known.keys().next().value as string);
    known.set(key, binding);
  }
  return binding;
}

function bindingKey(options: ClientOptions): string {
  const { group, version, application, userAgent, compression } = options;
  if (application === undefined && userAgent === undefined && compression === undefined) {
    return group === undefined && version === undefined ? "" : `${group ?? ""}\n${version ?? ""}`;
  }
  return `${group ?? ""}\n${version ?? ""}\n${application ?? ""}\n${userAgent ?? ""}\n${compression ?? ""}`;
}

/** Throws a TypeError when an option cannot be sent as a header. */
function constantFields(options: ClientOptions): string[] {
  const fields = [
    "user-agent",
    headerValue("user-agent", options.userAgent ?? defaultUserAgent),
    "grpc-accept-encoding",
    acceptedEncodings,
  ];
  if (options.compression !== undefined) fields.push("grpc-encoding", options.compression);
  if (options.group) fields.push("tri-service-group", headerValue("tri-service-group", options.group));
  if (options.version) fields.push("tri-service-version", headerValue("tri-service-version", options.version));
  if (options.application)
    fields.push("tri-consumer-appname", headerValue("tri-consumer-appname", options.application));
  return fields;
}
