/** Where a command writes whole lines. */
export type CommandOutput = {
  readonly print: (line: string) => void;
  readonly printError: (line: string) => void;
};

/** Written at once: a long import shows how far it is. */
const pieceBytes = 8_192;

/**
 * Runs a command with the output of this process, and waits until all of it has been taken. A process that ends
 * before cuts what a pipe has not read yet: tickets would be missing from an export, without a word.
 */
export async function onTerminal(run: (output: CommandOutput) => Promise<number>): Promise<number> {
  const out = Bun.stdout.writer({ highWaterMark: pieceBytes });
  const code = await run({
    print: (line) => {
      out.write(`${line}\n`);
    },
    printError: (line) => {
      process.stderr.write(`${line}\n`);
    },
  });
  try {
    await out.flush();
  } catch (error) {
    // Whoever reads may stop at any line, as `head` does.
    if ((error as { readonly code?: unknown }).code !== "EPIPE") throw error;
  }
  return code;
}
