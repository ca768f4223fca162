import { systemClock } from "@dubhe/concurrency";

/** Where a command writes, and what it may read of its surroundings. */
export interface Terminal {
  /** A line of the result. */
  out(text: string): void;
  /** A line about what went wrong, or a hint. */
  err(text: string): void;
  readonly colours: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted, with a `CutShort`, by Ctrl-C and the like; the command then ends in order. */
  readonly signal: AbortSignal;
}

/** Why a command ends before its end, and the exit code that says so: 128 and the number of the signal, as a shell counts. */
const cutShortCodes = { SIGINT: 130, EPIPE: 141, SIGTERM: 143 } as const;
export type CutShortBy = keyof typeof cutShortCodes;

export class CutShort extends Error {
  override readonly name = "AbortError";
  readonly by: CutShortBy;

  constructor(by: CutShortBy) {
    super(by === "EPIPE" ? "nobody reads the result any more" : "interrupted");
    this.by = by;
  }
}

/** What cut a command short whose signal has fired. */
export function cutShortBy({ reason }: AbortSignal): CutShortBy {
  return reason instanceof CutShort ? reason.by : "SIGINT";
}

export function cutShortCode(signal: AbortSignal): number {
  return cutShortCodes[cutShortBy(signal)];
}

export type Mark = "ok" | "wrong" | "note" | "plain";

const signs: Readonly<Record<Mark, string>> = { ok: "✓", wrong: "✗", note: "!", plain: " " };
const colours: Readonly<Record<Mark, string>> = { ok: "32", wrong: "31", note: "33", plain: "0" };

/** `✓ text`, coloured where there are colours. */
export function marked(terminal: Pick<Terminal, "colours">, mark: Mark, text: string): string {
  return `${coloured(terminal, colours[mark], signs[mark])} ${printable(text)}`;
}

export function bold(terminal: Pick<Terminal, "colours">, text: string): string {
  return coloured(terminal, "1", printable(text));
}

function coloured(terminal: Pick<Terminal, "colours">, code: string, text: string): string {
  return terminal.colours && text.trim() !== "" ? `\u001b[${code}m${text}\u001b[0m` : text;
}

/**
 * Controls (Cc) drive a terminal; format characters (Cf) reorder a line, as those of the bidirectional algorithm do (UAX #9 §2), or cannot
 * be seen; U+2028 and U+2029 (Zl, Zp) break it; half a surrogate pair (Cs) is no character.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** What comes from a registry must not drive the terminal. */
export function printable(text: string): string {
  return text.replace(unprintable, (char) => {
    const code = (char.codePointAt(0) ?? 0).toString(16);
    if (code.length > 4) return `\\u{${code}}`;
    return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  });
}

/** JSON that a terminal may show: `JSON.stringify` escapes the controls below U+0020 alone. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(unprintable, (char) => {
    // The line breaks of `indent`: those of the value are escaped already.
    if (char === "\n") return char;
    return Array.from({ length: char.length }, (_, at) => {
      return `\\u${char.charCodeAt(at).toString(16).padStart(4, "0")}`;
    }).join("");
  });
}

/** Rows with their columns aligned; the first row is the heading. */
export function table(terminal: Terminal, rows: readonly (readonly string[])[]): void {
  const texts = rows.map((row) => row.map(printable));
  const widths = (texts[0] ?? []).map((_, column) => Math.max(...texts.map((row) => row[column]?.length ?? 0)));
  for (const [index, row] of texts.entries()) {
    const line = row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
    terminal.out(index === 0 ? coloured(terminal, "1", line) : line);
  }
}

const longestTimerMs = 2 ** 31 - 1;

/**
 * That of this process. Colours only on a terminal, and not with NO_COLOR (no-color.org). A reader that has gone (`| head`) ends the
 * command, as does a disk that is full, which sets the exit code itself. A second signal ends the process at once.
 */
export function processTerminal(): { readonly terminal: Terminal; dispose(): void } {
  const { stdout, stderr, env } = process;
  const controller = new AbortController();
  const cut = (by: CutShortBy): void => controller.abort(new CutShort(by));
  const stop = (by: CutShortBy) => (): void => {
    if (controller.signal.aborted) process.exit(cutShortCodes[by]);
    cut(by);
  };
  const [onInterrupt, onTerminate] = [stop("SIGINT"), stop("SIGTERM")];
  let unwritten = false;
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== "EPIPE" && !unwritten) {
      unwritten = true;
      process.exitCode = 1;
      stderr.write(`✗ the result cannot be written: ${printable(error.message)}\n`);
    }
    cut("EPIPE");
  };
  // Who does not read what goes wrong may still read the result.
  const onHintsUnread = (): void => {};
  // Registries alone do not keep a process alive, and a command may wait for them.
  const alive = systemClock.setTimeout(() => {}, longestTimerMs, { ref: true });
  process.on("SIGINT", onInterrupt);
  process.on("SIGTERM", onTerminate);
  stdout.on("error", onError);
  stderr.on("error", onHintsUnread);
  return {
    terminal: {
      out: (text) => void stdout.write(`${text}\n`),
      err: (text) => void stderr.write(`${text}\n`),
      colours: stdout.isTTY === true && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb",
      env,
      signal: controller.signal,
    },
    dispose: () => {
      alive.cancel();
      process.off("SIGINT", onInterrupt);
      process.off("SIGTERM", onTerminate);
    },
  };
}
