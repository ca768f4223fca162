export { defineService, type Service, type ServiceInit } from "./define-service.js";
export { type ClientMaker, type GenericClient, genericClient, genericService } from "./generic-service.js";
export {
  type InputOf,
  type JavaTypes,
  java,
  type ObjectInput,
  type ObjectOutput,
  type OutputOf,
} from "./java.js";
export { JavaException, type JavaExceptionInit, javaExceptionOf } from "./java-exception.js";
export { type AnyJavaType, JavaType } from "./java-type.js";
export {
  bidiStream,
  clientStream,
  type MethodInit,
  type MethodSpec,
  type MethodSpecs,
  type ServiceClient,
  type ServiceHandlers,
  serverStream,
  unary,
} from "./method-spec.js";
export type { JavaFields } from "./object-types.js";
export type { Codec } from "./service-method.js";
