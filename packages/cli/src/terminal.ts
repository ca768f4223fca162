import { systemClock } from "@dubhe/concurrency";

/** Where a command writes, and what it may read of its surroundings. */
export interface Terminal {
  /** A line of the result. */
  out(text: string): void;
  /** A line about what went wrong, or a hint. */
  err(text: string): void;
  readonly colours: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by Ctrl-C; the command then ends in order. */
  readonly signal: AbortSignal;
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

/** What comes from a registry must not drive the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** JSON that a terminal may show: `JSON.stringify` leaves DEL and the controls of C1 as they are, of which U+009B begins escape sequences. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replace(/[\u007f-\u009f]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
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
 * command. A second Ctrl-C ends the process at once.
 */
export function processTerminal(): { readonly terminal: Terminal; dispose(): void } {
  const { stdout, stderr, env } = process;
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new DOMException("interrupted", "AbortError"));
  };
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code !== "EPIPE") throw error;
    controller.abort(error);
  };
  // Who does not read what goes wrong may still read the result.
  const onHintsUnread = (error: NodeJS.ErrnoException): void => {
    if (error.code !== "EPIPE") throw error;
  };
  // Registries alone do not keep a process alive, and a command may wait for them.
  const alive = systemClock.setTimeout(() => {}, longestTimerMs, { ref: true });
  process.on("SIGINT", stop);
  process.on("SIGTERM", stop);
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
      process.off("SIGINT", stop);
      process.off("SIGTERM", stop);
    },
  };
}
