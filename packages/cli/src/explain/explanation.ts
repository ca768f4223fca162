import type { ServiceRef } from "@dubhe/discovery";
import type { ProbeResult } from "../probe/probe-result.js";
import type { Mark } from "../terminal.js";
import type { Migration } from "./consumer-view.js";

/** In the order in which a consumer goes. */
export const stepNames = ["registry", "mapping", "instances", "metadata", "service", "endpoints", "connect"] as const;
export type StepName = (typeof stepNames)[number];

export interface StepLine {
  readonly mark: Mark;
  readonly text: string;
}

/** What was found at one step, in all registries. */
export interface Step {
  readonly name: StepName;
  readonly lines: readonly StepLine[];
}

/** The first step that is wrong, in words. */
export interface Problem {
  readonly step: StepName;
  /** All of it in one line. */
  readonly text: string;
  /** One of each registry, application or endpoint that is to blame. */
  readonly texts: readonly string[];
}

/** A place where the service can be called, as far as the registry knows. */
export interface FoundEndpoint {
  readonly address: string;
  readonly host: string;
  readonly port: number;
  readonly applications: readonly string[];
  readonly registries: readonly string[];
  /** By which calls are shared: the instance's, after a migration rule's proportion. 0 where no calls go. */
  readonly weight: number;
  /** Why calls would not go there, whatever the probe says; undefined = they would. */
  readonly excluded: string | undefined;
  readonly probe?: ProbeResult;
}

/** Everything that `dubhe explain` knows; `--json` prints it. */
export interface Explanation {
  readonly service: Pick<ServiceRef, "service" | "group" | "version" | "protocol" | "providedBy">;
  readonly registries: readonly string[];
  readonly steps: readonly Step[];
  /** The state of the service in a consumer's own discovery; null when no registry answers. */
  readonly consumer: {
    readonly state: "pending" | "bound" | "negative" | "failed" | "closed";
    readonly reason: string | null;
    readonly excluded: readonly string[];
    readonly migrations: readonly Migration[];
  } | null;
  /** Those of the consumer's own discovery. */
  readonly endpoints: readonly FoundEndpoint[];
  /** A call could be made now. */
  readonly callable: boolean;
  readonly problem: Problem | null;
}

/** So many reasons of one step are said in the verdict. */
const maxTexts = 3;

/** Gathers the lines of the steps. A step counts as passed when something got through it; what did not is why it is wrong otherwise. */
export class Findings {
  readonly #lines = new Map<StepName, StepLine[]>();
  readonly #wrong = new Map<StepName, string[]>();
  readonly #passed = new Set<StepName>();

  ok(step: StepName, text: string): void {
    this.#add(step, "ok", text);
    this.#passed.add(step);
  }

  /** Something got through, of which another step tells. */
  passed(step: StepName): void {
    this.#passed.add(step);
  }

  note(step: StepName, text: string): void {
    this.#add(step, "note", text);
  }

  wrong(step: StepName, text: string): void {
    this.#add(step, "wrong", text);
    const texts = this.#wrong.get(step);
    if (texts === undefined) this.#wrong.set(step, [text]);
    else if (!texts.includes(text)) texts.push(text);
  }

  get steps(): readonly Step[] {
    return stepNames.flatMap((name) => {
      const lines = this.#lines.get(name);
      if (lines === undefined) return [];
      // That others of the application offer something else is no fault, nor that another registry or model has it.
      const harmless = (name === "service" || name === "mapping") && this.#passed.has(name);
      return [{ name, lines: harmless ? lines.map(asNote) : lines }];
    });
  }

  /** The first step that nothing got through. What a registry hid that cannot be used might have been the answer, so it is said too. */
  problem(): Problem {
    const step = stepNames.find((name) => !this.#passed.has(name) && this.#wrong.has(name)) ?? "connect";
    const texts = this.#wrong.get(step) ?? ["no endpoint takes calls"];
    const unheard = step === "registry" ? [] : (this.#wrong.get("registry") ?? []);
    const more = texts.length > maxTexts ? [`and ${texts.length - maxTexts} more`] : [];
    const all = [...texts.slice(0, maxTexts), ...more, ...unheard];
    return { step, text: all.join("; "), texts: all };
  }

  #add(step: StepName, mark: Mark, text: string): void {
    const lines = this.#lines.get(step);
    if (lines === undefined) this.#lines.set(step, [{ mark, text }]);
    else lines.push({ mark, text });
  }
}

function asNote(line: StepLine): StepLine {
  return line.mark === "wrong" ? { mark: "note", text: line.text } : line;
}
