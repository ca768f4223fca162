import type { Registry } from "@bufbuild/protobuf";
import { type Connection, type FieldList, HeaderTemplate } from "@dubhe/http2";
import { acceptedEncodings } from "../compression.js";
import { bodyType, type Framing } from "../content-type.js";
import { headerValue } from "../header-rules.js";
import { hasNoSideEffects, type MethodInfo } from "../method.js";
import { type MethodCodecs, methodCodecs, type Serialization } from "../serialization.js";
import type { ClientOptions } from "./client-options.js";

export const defaultUserAgent = "grpc-node-dubhe/0.1.0";

/** Combinations of group, version, application… kept per method; one that varies without end must not fill the memory. */
const maxBindings = 64;

/**
 * A method together with what else is constant in a client's requests: framing, serialization, headers. Shared by all
 * clients that agree on it, so a client per request finds its header blocks encoded: one template per connection, which
 * dies with that connection.
 */
export class CallBinding {
  readonly method: MethodInfo;
  readonly framing: Framing;
  readonly serialization: Serialization;
  readonly codecs: MethodCodecs;
  /** Whether the message goes into the query of a GET. */
  readonly byGet: boolean;
  readonly #fields: FieldList;
  readonly #templates = new WeakMap<Connection, HeaderTemplate>();
  #getTemplates: WeakMap<Connection, HeaderTemplate> | undefined;

  /** Throws a TypeError when an option cannot be sent as a header. */
  constructor(method: MethodInfo, options: ClientOptions) {
    this.method = method;
    this.framing = options.unary === "triple" && method.kind === "unary" ? "plain" : "grpc";
    this.serialization = options.serialization ?? method.description?.serialization ?? "proto";
    this.codecs = methodCodecs(method, this.serialization, options.typeRegistry);
    this.byGet = this.framing === "plain" && options.httpGet === true && hasNoSideEffects(method);
    this.#fields = constantFields(this.framing, options);
  }

  template(connection: Connection, authority: string): HeaderTemplate {
    let template = this.#templates.get(connection);
    if (template === undefined) {
      const { contentType } = bodyType(this.framing, this.serialization);
      template = new HeaderTemplate([
        ...[":method", "POST", ":scheme", connection.secure ? "https" : "http"],
        ...[":path", this.method.path, ":authority", authority],
        // gRPC's bare name is the one that every peer knows.
        ...["content-type", contentType === "application/grpc+proto" ? "application/grpc" : contentType],
        ...(this.framing === "grpc" ? ["te", "trailers"] : ["connect-protocol-version", "1"]),
        ...this.#fields,
      ]);
      this.#templates.set(connection, template);
    }
    return template;
  }

  /** Pseudo-headers without `:path`, which differs by message, and so leads the fields beside the template. */
  getTemplate(connection: Connection, authority: string): HeaderTemplate {
    this.#getTemplates ??= new WeakMap();
    let template = this.#getTemplates.get(connection);
    if (template === undefined) {
      const scheme = connection.secure ? "https" : "http";
      template = new HeaderTemplate([":method", "GET", ":scheme", scheme, ":authority", authority]);
      this.#getTemplates.set(connection, template);
    }
    return template;
  }

  /** Of a GET: what a template cannot hold behind `:path`. */
  get constantFields(): FieldList {
    return this.#fields;
  }
}

type Bindings = WeakMap<MethodInfo, Map<string, CallBinding>>;

const bindings: Bindings = new WeakMap();
const bindingsByTypes = new WeakMap<Registry, Bindings>();

export function bindingOf(method: MethodInfo, options: ClientOptions): CallBinding {
  const table = tableOf(options.typeRegistry);
  let known = table.get(method);
  if (known === undefined) {
    known = new Map();
    table.set(method, known);
  }
  const key = bindingKey(options);
  let binding = known.get(key);
  if (binding === undefined) {
    binding = new CallBinding(method, options);
    // First in, first out: of an endless variety none is worth more than another.
    if (known.size >= maxBindings) known.delete(known.keys().next().value as string);
    known.set(key, binding);
  }
  return binding;
}

function tableOf(types: Registry | undefined): Bindings {
  if (types === undefined) return bindings;
  let table = bindingsByTypes.get(types);
  if (table === undefined) {
    table = new WeakMap();
    bindingsByTypes.set(types, table);
  }
  return table;
}

function bindingKey(options: ClientOptions): string {
  const { group, version, application, userAgent, compression, serialization, unary, httpGet } = options;
  const framing = `${serialization ?? ""}${unary ?? ""}${httpGet === true ? "get" : ""}`;
  if (application === undefined && userAgent === undefined && compression === undefined && framing === "") {
    return group === undefined && version === undefined ? "" : `${group ?? ""}\n${version ?? ""}`;
  }
  return `${group ?? ""}\n${version ?? ""}\n${application ?? ""}\n${userAgent ?? ""}\n${compression ?? ""}\n${framing}`;
}

function constantFields(framing: Framing, options: ClientOptions): string[] {
  const fields = ["user-agent", headerValue("user-agent", options.userAgent ?? defaultUserAgent)];
  fields.push(framing === "grpc" ? "grpc-accept-encoding" : "accept-encoding", acceptedEncodings);
  // Without gRPC's flag by the message, the header is there when the body is compressed, and only then.
  if (framing === "grpc" && options.compression !== undefined) fields.push("grpc-encoding", options.compression);
  if (options.group) fields.push("tri-service-group", headerValue("tri-service-group", options.group));
  if (options.version) fields.push("tri-service-version", headerValue("tri-service-version", options.version));
  if (options.application)
    fields.push("tri-consumer-appname", headerValue("tri-consumer-appname", options.application));
  return fields;
}
