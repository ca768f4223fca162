import { type JavaObject, javaObject } from "@dubhe/hessian2";

/** java.time travels as handles of hessian-lite, the Hessian of dubbo-java. */
const handles = "com.alibaba.com.caucho.hessian.io.java8";

/** Of `2024-02-29`. */
export function dateHandle(text: string): JavaObject {
  const [year, month, day] = text.split("-").map(Number);
  return javaObject(`${handles}.LocalDateHandle`, { year, month, day });
}

/** Of `23:59:58.123`. */
export function timeHandle(text: string): JavaObject {
  const [hour, minute, rest = "0"] = text.split(":");
  const [second, fraction = ""] = rest.split(".");
  const nano = Number(fraction.padEnd(9, "0"));
  return javaObject(`${handles}.LocalTimeHandle`, {
    hour: Number(hour),
    minute: Number(minute),
    second: Number(second),
    nano,
  });
}

/** Of `2024-02-29T23:59:58.123`. */
export function dateTimeHandle(text: string): JavaObject {
  const [date = "", time = ""] = text.split("T");
  return javaObject(`${handles}.LocalDateTimeHandle`, { date: dateHandle(date), time: timeHandle(time) });
}
