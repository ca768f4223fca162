import { createRegistry, type DescFile, type DescMethod, type Registry } from "@bufbuild/protobuf";
import { JsonCodec } from "./codec/json-codec.js";
import type { MessageCodec } from "./codec/message-codec.js";
import type { MethodInfo } from "./method.js";

/** How messages become bytes: protobuf's binary form, or its JSON mapping (protobuf.dev/programming-guides/json). */
export type Serialization = "proto" | "json";

/** What encodes and decodes the messages of one method. A MethodInfo is its own pair for `proto`. */
export interface MethodCodecs {
  readonly request: MessageCodec;
  readonly response: MessageCodec;
}

const jsonCodecs = new WeakMap<object, WeakMap<MethodInfo, MethodCodecs>>();
const registries = new WeakMap<object, WeakMap<DescFile, Registry>>();
/** Stands for no registry beside the service's own types. */
const ownTypes = {};
/** Of a method without a descriptor. */
const noTypes: Registry = createRegistry();

/** Made once for a method and a registry. `types`: what `google.protobuf.Any` may hold in JSON, beside the service's own. */
export function methodCodecs(method: MethodInfo, serialization: Serialization, types?: Registry): MethodCodecs {
  if (serialization === "proto") return method;
  const { desc, description } = method;
  if (description !== undefined) return description.json;
  return once(jsonCodecs, types ?? ownTypes, method, () => {
    const registry = (): Registry => typesOf(method, types);
    const { input, output } = desc as DescMethod;
    return { request: new JsonCodec(input, registry), response: new JsonCodec(output, registry) };
  });
}

/** `types`, and every type in the service's file and in those that it imports. Made when it is first asked for. */
export function typesOf(method: MethodInfo, types?: Registry): Registry {
  if (method.desc === undefined) return types ?? noTypes;
  const { file } = method.desc.parent;
  return once(registries, types ?? ownTypes, file, () => {
    const files = new Set<DescFile>();
    collect(file, files);
    return types === undefined ? createRegistry(...files) : createRegistry(types, ...files);
  });
}

function collect(file: DescFile, into: Set<DescFile>): void {
  if (into.has(file)) return;
  into.add(file);
  for (const imported of file.dependencies) collect(imported, into);
}

function once<K extends object, V>(cache: WeakMap<object, WeakMap<K, V>>, types: object, key: K, make: () => V): V {
  let known = cache.get(types);
  if (known === undefined) {
    known = new WeakMap();
    cache.set(types, known);
  }
  let value = known.get(key);
  if (value === undefined) {
    value = make();
    known.set(key, value);
  }
  return value;
}
