import type { StandardSchemaV1 } from "@standard-schema/spec";
import { ListType, MapType, SetType } from "./collection-types.js";
import type { AnyJavaType, JavaType } from "./java-type.js";
import { NaturalType } from "./natural-type.js";
import { EnumType, type JavaFields, LazyType, ObjectType } from "./object-types.js";
import {
  bigIntegerType,
  booleanType,
  bytesType,
  charType,
  dateType,
  decimalType,
  doubleType,
  integerType,
  longType,
  safeLongType,
  stringType,
  timeType,
} from "./scalar-types.js";

/** What may be given where a type stands, and what is got. */
export type InputOf<T extends AnyJavaType> = StandardSchemaV1.InferInput<T>;
export type OutputOf<T extends AnyJavaType> = StandardSchemaV1.InferOutput<T>;

type NullableKeys<F extends JavaFields> = { [K in keyof F]: null extends InputOf<F[K]> ? K : never }[keyof F];

type Flat<T> = { [K in keyof T]: T[K] };

export type ObjectInput<F extends JavaFields> = Flat<
  { readonly [K in Exclude<keyof F, NullableKeys<F>>]: InputOf<F[K]> } & {
    readonly [K in NullableKeys<F>]?: InputOf<F[K]>;
  }
>;
export type ObjectOutput<F extends JavaFields> = { [K in keyof F]: OutputOf<F[K]> };

type MapInput<K, V> = K extends string ? Readonly<Record<string, V>> : ReadonlyMap<K, V>;
type MapOutput<K, V> = K extends string ? Record<string, V> : Map<K, V>;

/** Java's types. Those named as a class are the boxes: they matter among overloaded methods, which Java tells apart by them. */
export interface JavaTypes {
  readonly boolean: JavaType<boolean>;
  readonly Boolean: JavaType<boolean>;
  readonly byte: JavaType<number>;
  readonly Byte: JavaType<number>;
  readonly short: JavaType<number>;
  readonly Short: JavaType<number>;
  readonly int: JavaType<number>;
  readonly Integer: JavaType<number>;
  /** All 64 bits: a bigint is got; an exact number may be given. */
  readonly long: JavaType<bigint | number, bigint>;
  readonly Long: JavaType<bigint | number, bigint>;
  /** A long as a number: beyond ±2^53 it is refused, not rounded. */
  readonly safeLong: JavaType<number>;
  readonly safeLongBox: JavaType<number>;
  readonly float: JavaType<number>;
  readonly Float: JavaType<number>;
  readonly double: JavaType<number>;
  readonly Double: JavaType<number>;
  readonly char: JavaType<string>;
  readonly Character: JavaType<string>;
  readonly string: JavaType<string>;
  /** java.math.BigDecimal, as text: `"12.50"`. */
  readonly decimal: JavaType<string>;
  readonly bigInteger: JavaType<bigint>;
  /** java.util.Date. */
  readonly date: JavaType<Date>;
  /** java.time, as text: `2024-02-29`, `23:59:58.5`, `2024-02-29T23:59:58.5`. */
  readonly localDate: JavaType<string>;
  readonly localTime: JavaType<string>;
  readonly localDateTime: JavaType<string>;
  /** byte[] */
  readonly bytes: JavaType<Uint8Array>;
  /** java.lang.Object: anything; Java's objects are plain objects. */
  readonly object: JavaType<unknown>;
  list<E extends AnyJavaType>(element: E): JavaType<readonly InputOf<E>[], OutputOf<E>[]>;
  set<E extends AnyJavaType>(element: E): JavaType<ReadonlySet<InputOf<E>>, Set<OutputOf<E>>>;
  array<E extends AnyJavaType>(element: E): JavaType<readonly InputOf<E>[], OutputOf<E>[]>;
  /** A plain object when its keys are text (java.string, an enum), else a Map. */
  map<K extends AnyJavaType, V extends AnyJavaType>(
    key: K,
    value: V,
  ): JavaType<MapInput<InputOf<K>, InputOf<V>>, MapOutput<OutputOf<K>, OutputOf<V>>>;
  /** A class with fields: `java.pojo("com.acme.User", { id: java.string, nick: java.string.nullable() })`. */
  pojo<F extends JavaFields>(className: string, fields: F): JavaType<ObjectInput<F>, ObjectOutput<F>>;
  /** An enum, by the names of its constants. */
  enumeration<const V extends string>(className: string, names: readonly V[]): JavaType<V>;
  /** A type that is made later, for classes with fields of themselves; its TypeScript type must be written out. */
  lazy<T>(className: string, make: () => JavaType<T>): JavaType<T>;
  /** Any other class or type by its name in Java's source, unchecked: `java.named("java.util.List<com.acme.User>")`. */
  named<T = unknown>(javaType: string): JavaType<T>;
}

export const java: JavaTypes = {
  boolean: booleanType("boolean"),
  Boolean: booleanType("java.lang.Boolean"),
  byte: integerType("byte", 8),
  Byte: integerType("java.lang.Byte", 8),
  short: integerType("short", 16),
  Short: integerType("java.lang.Short", 16),
  int: integerType("int", 32),
  Integer: integerType("java.lang.Integer", 32),
  long: longType("long"),
  Long: longType("java.lang.Long"),
  safeLong: safeLongType("long"),
  safeLongBox: safeLongType("java.lang.Long"),
  float: doubleType("float"),
  Float: doubleType("java.lang.Float"),
  double: doubleType("double"),
  Double: doubleType("java.lang.Double"),
  char: charType("char"),
  Character: charType("java.lang.Character"),
  string: stringType("java.lang.String"),
  decimal: decimalType(),
  bigInteger: bigIntegerType(),
  date: dateType(),
  localDate: timeType("LocalDate"),
  localTime: timeType("LocalTime"),
  localDateTime: timeType("LocalDateTime"),
  bytes: bytesType(),
  object: new NaturalType(),
  list: (element) => new ListType("java.util.List", element) as AnyJavaType,
  set: (element) => new SetType(element) as AnyJavaType,
  array: (element) => ListType.array(element) as AnyJavaType,
  map: (key, value) =>
    new MapType(
      key,
      value,
      key.className === "java.lang.String" || key instanceof EnumType ? "text" : "any",
    ) as AnyJavaType,
  pojo: (className, fields) => new ObjectType(className, fields),
  enumeration: (className, names) => new EnumType(className, names),
  lazy: (className, make) => new LazyType(className, make),
  named: (javaType) => new NaturalType(javaType) as AnyJavaType,
};
