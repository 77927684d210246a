import { BaseError } from "../shared/errors.ts";

/** The terminal that a pass phrase is asked on, as far as it is needed. `process.stdin` is one. */
export type TerminalInput = Pick<typeof process.stdin, "setRawMode" | "on" | "off" | "resume" | "pause">;

/** Longer than any pass phrase; bounds what a stuck key or a pasted file can take. Characters. */
const lengthMax = 4_096;

const keys = {
  interrupt: "\u0003",
  endOfInput: "\u0004",
  backspace: "\u0008",
  eraseLine: "\u0015",
  rubout: "\u007f",
} as const;

/** What an arrow key and its like send: no part of a pass phrase. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is a control character that is meant.
const escapeSequence = /\u001b(?:\[[0-?]*[ -/]*[@-~]|O.)?/g;

/**
 * Asks for a line on a terminal without showing it. Backspace and Ctrl-U work; Ctrl-C and Ctrl-D end the asking.
 *
 * @param write - where the question goes; standard error keeps standard output clean
 * @throws PasswordPromptError when the asking was ended
 */
export function askPassword(
  question: string,
  input: TerminalInput,
  write: (text: string) => void,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const decoder = new TextDecoder();
  let typed: string[] = [];
  const finish = (): void => {
    input.off("data", onData);
    input.off("end", giveUp);
    input.setRawMode(false);
    // Nobody else reads it, and an open stdin would keep the process from ending.
    input.pause();
    write("\n");
  };
  const giveUp = (): void => {
    finish();
    reject(new PasswordPromptError());
  };
  const onData = (chunk: Uint8Array | string): void => {
    const text = typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    for (const character of text.replaceAll(escapeSequence, "")) {
      if (character === keys.interrupt || character === keys.endOfInput) {
        giveUp();
        return;
      }
      if (character === "\r" || character === "\n") {
        finish();
        resolve(typed.join(""));
        return;
      }
      if (character === keys.rubout || character === keys.backspace) typed.pop();
      else if (character === keys.eraseLine) typed = [];
      else if (character >= " " && typed.length < lengthMax) typed.push(character);
    }
  };
  // Before the question: what is typed early must not show either.
  input.setRawMode(true);
  write(question);
  input.on("data", onData);
  input.on("end", giveUp);
  input.resume();
  return promise;
}

/** The operator did not want to give a pass phrase. */
export class PasswordPromptError extends BaseError {
  constructor() {
    super("no pass phrase was given", {
      code: "PASSWORD_NOT_GIVEN",
      disposition: "reject",
      action:
        "Start again and type it, or give -ethPassword: the pass phrase, or the path of a file that holds it.",
    });
  }
}
