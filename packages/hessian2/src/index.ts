export { exceptionOf, type JavaExceptionInfo } from "./exceptions.js";
export { HessianError } from "./hessian-error.js";
export type { JavaType } from "./java-type.js";
export {
  JavaDouble,
  JavaInt,
  JavaList,
  JavaLong,
  JavaMap,
  JavaObject,
  javaBigDecimal,
  javaDouble,
  javaEnum,
  javaInt,
  javaList,
  javaLong,
  javaMap,
  javaObject,
} from "./java-types.js";
export { toPlain } from "./plain.js";
export { decodeValue, HessianReader, type ReadOptions } from "./reader.js";
export { javaBigInteger } from "./well-known.js";
export { encodeValue, HessianWriter, javaException } from "./writer.js";
