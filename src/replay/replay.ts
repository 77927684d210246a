import { parseArgs } from "node:util";
import { encodeSnapshot, stateName } from "../actors/snapshot.ts";
import type { RecordedEvent } from "../events/envelope.ts";
import { BaseError } from "../shared/errors.ts";
import { kindOf, Replay } from "./kinds.ts";
import { renderFields, renderJson, renderTable, renderTime } from "./render.ts";
import { writeSlice } from "./slice.ts";
import { openDataDir, openSliceFile, type ReplaySource } from "./source.ts";
import { verify } from "./verify.ts";
import type { CommandOutput } from "./terminal.ts";

const usage = `Replays an event log. It reads only: a running node is not disturbed.

  bun run replay list      --dataDir DIR [--open] [--limit N]   sessions, newest first
  bun run replay timeline  --dataDir DIR STREAM                 every event, and the state after it
  bun run replay state     --dataDir DIR STREAM [--seq N | --at TIME]
  bun run replay verify    --dataDir DIR                        fold everything, compare, exit 1 on a difference
  bun run replay export    --dataDir DIR --out FILE STREAM…     a slice that replays elsewhere

  STREAM   a session id (with or without its .N), or a stream such as session:ab12.1 or segment:ab12.1/3
  TIME     2026-01-31T12:00:00Z or Unix milliseconds
  --file FILE   reads an exported slice instead of --dataDir
  --json        one JSON document a line, for machines`;

type Flags = {
  readonly isJson: boolean;
  readonly isOpenOnly: boolean;
  readonly limit: number;
  readonly seq: number | null;
  readonly atMs: number | null;
  readonly out: string | null;
  readonly words: readonly string[];
};

/** Runs one replay command. Returns the exit code: 0 good, 1 a difference was found, 2 the command is wrong. */
export async function runReplay(argv: readonly string[], output: CommandOutput): Promise<number> {
  try {
    const words = argv[0] === "--" ? argv.slice(1) : argv;
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        dataDir: { type: "string" },
        file: { type: "string" },
        json: { type: "boolean", default: false },
        open: { type: "boolean", default: false },
        limit: { type: "string", default: "50" },
        seq: { type: "string" },
        at: { type: "string" },
        out: { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
    const [command, ...rest] = positionals;
    if (values.help || command === undefined) {
      output.print(usage);
      return values.help ? 0 : 2;
    }
    const flags: Flags = {
      isJson: values.json,
      isOpenOnly: values.open,
      limit: wholeNumber("limit", values.limit),
      seq: values.seq === undefined ? null : wholeNumber("seq", values.seq),
      atMs: values.at === undefined ? null : moment(values.at),
      out: values.out ?? null,
      words: rest,
    };
    const source = await openSource(values.dataDir, values.file);
    try {
      return await runCommand(command, source, flags, output);
    } finally {
      source.close();
    }
  } catch (error) {
    if (error instanceof BaseError || error instanceof TypeError) {
      output.printError(error.message);
      return 2;
    }
    throw error;
  }
}

async function openSource(dataDir: string | undefined, file: string | undefined): Promise<ReplaySource> {
  if (file !== undefined) return openSliceFile(file);
  if (dataDir !== undefined) return openDataDir(dataDir);
  throw new ReplayUsageError("Name the log: `--dataDir DIR` or `--file FILE`.");
}

async function runCommand(
  command: string,
  source: ReplaySource,
  flags: Flags,
  output: CommandOutput,
): Promise<number> {
  switch (command) {
    case "list":
      return list(source, flags, output);
    case "timeline":
      return timeline(source, flags, output);
    case "state":
      return state(source, flags, output);
    case "verify":
      return runVerify(source, flags, output);
    case "export":
      return runExport(source, flags, output);
    default:
      throw new ReplayUsageError(
        `There is no command \`${command}\`: list, timeline, state, verify or export.`,
      );
  }
}

function list(source: ReplaySource, flags: Flags, { print }: CommandOutput): number {
  const open = new Set(source.reader.openStreams().map(({ stream }) => stream));
  const rows = source.reader.sessionSummaries(flags.limit, { isOpenOnly: flags.isOpenOnly });
  if (flags.isJson) {
    for (const row of rows) print(renderJson({ ...row, isOpen: open.has(row.stream) }));
    return 0;
  }
  if (rows.length === 0) {
    print("The log holds no sessions.");
    return 0;
  }
  const table = rows.map((row) => [
    row.stream,
    open.has(row.stream) ? "open" : "ended",
    renderTime(row.openedMs),
    renderTime(row.lastMs),
    String(row.delivered),
    String(row.failed),
    String(row.pixels),
    Buffer.from(row.manifestId.slice(2), "hex").toString("utf8"),
  ]);
  print(
    renderTable(["stream", "state", "opened", "last", "delivered", "failed", "pixels", "manifest"], table),
  );
  return 0;
}

/** The events that a word on the command line means, in the global order. */
function eventsFor(source: ReplaySource, word: string | undefined): readonly RecordedEvent[] {
  if (word === undefined) throw new ReplayUsageError("Name a stream: a session id, session:… or segment:….");
  const streams = streamsFor(source, word);
  const events = streams.flatMap((stream) => source.reader.eventsOf(stream as `${string}:${string}`));
  return events.toSorted((left, right) => left.seq - right.seq);
}

/** A segment means itself; a session means itself and its segments. */
function streamsFor(source: ReplaySource, word: string): readonly string[] {
  const id = word.startsWith("session:") ? word.slice("session:".length) : word;
  const found = word.startsWith("segment:")
    ? source.reader.streamsWithPrefix(word).filter(({ stream }) => stream === word)
    : ["session", "segment"].flatMap((kind) =>
        source.reader.streamsWithPrefix(`${kind}:${id}`).filter(({ stream }) => {
          const rest = stream.slice(kind.length + 1 + id.length);
          return rest === "" || rest.startsWith(".") || rest.startsWith("/");
        }),
      );
  if (found.length === 0)
    throw new ReplayUsageError(`The log holds no stream \`${word}\`: see \`replay list\`.`);
  return found.map(({ stream }) => stream);
}

function timeline(source: ReplaySource, flags: Flags, { print }: CommandOutput): number {
  const replay = new Replay();
  const rows: string[][] = [];
  for (const recorded of eventsFor(source, flags.words[0])) {
    const after = stateName(replay.apply(recorded));
    if (flags.isJson) print(renderJson({ ...recorded, stateAfter: after }));
    else {
      rows.push([
        String(recorded.seq),
        renderTime(recorded.atMs),
        recorded.stream,
        recorded.event.type,
        after,
        renderFields(recorded.event as unknown as Record<string, unknown>),
      ]);
    }
  }
  if (!flags.isJson) print(renderTable(["seq", "time", "stream", "event", "state after", "facts"], rows));
  return 0;
}

function state(source: ReplaySource, flags: Flags, { print }: CommandOutput): number {
  const replay = new Replay();
  let last: RecordedEvent | null = null;
  for (const recorded of eventsFor(source, flags.words[0])) {
    if (flags.seq !== null && recorded.seq > flags.seq) break;
    if (flags.atMs !== null && recorded.atMs > flags.atMs) break;
    replay.apply(recorded);
    last = recorded;
  }
  if (last === null) throw new ReplayUsageError("Nothing had happened to that stream by then.");
  for (const stream of replay.streams()) {
    const snapshot = replay.state(stream);
    if (snapshot === null) continue;
    const { status, value, context } = JSON.parse(encodeSnapshot(kindOf(stream).kind, snapshot)) as {
      status: string;
      value: unknown;
      context: Record<string, unknown>;
    };
    if (flags.isJson) print(renderJson({ stream, seq: last.seq, atMs: last.atMs, status, value, context }));
    else print(`${stream}  ${stateName(snapshot)}  ${renderFields(context)}`);
  }
  if (!flags.isJson) print(`as of event ${last.seq}, ${renderTime(last.atMs)}`);
  return 0;
}

function runVerify(source: ReplaySource, flags: Flags, { print }: CommandOutput): number {
  const startedMs = performance.now();
  const result = verify(source);
  const seconds = (performance.now() - startedMs) / 1_000;
  if (flags.isJson) print(renderJson({ ...result, seconds }));
  else {
    print(
      `${result.events} events of ${result.streams} streams (${result.open} open) folded in ${seconds.toFixed(2)} s; ` +
        `${result.compared} states compared, ${result.incomparable} of other releases.`,
    );
    for (const { stream, problem } of result.findings) print(`${stream === "" ? "log" : stream}: ${problem}`);
    print(result.findings.length === 0 ? "Everything agrees." : `${result.findings.length} problems found.`);
  }
  return result.findings.length === 0 ? 0 : 1;
}

async function runExport(source: ReplaySource, flags: Flags, { print }: CommandOutput): Promise<number> {
  if (flags.out === null) throw new ReplayUsageError("Name the file to write: `--out FILE`.");
  const words = flags.words.length > 0 ? flags.words : [""];
  const streams =
    flags.words.length === 0
      ? source.reader.streamsWithPrefix("").map(({ stream }) => stream)
      : [...new Set(words.flatMap((word) => streamsFor(source, word)))];
  const events = await writeSlice(source.db, flags.out, streams);
  const summary = { file: flags.out, streams: streams.length, events };
  print(
    flags.isJson
      ? renderJson(summary)
      : `${events} events of ${streams.length} streams written to ${flags.out}. Replay them with --file ${flags.out}.`,
  );
  return 0;
}

function wholeNumber(name: string, text: string): number {
  if (!/^[0-9]{1,15}$/.test(text))
    throw new ReplayUsageError(`\`--${name}\` takes a whole number, not \`${text}\`.`);
  return Number(text);
}

function moment(text: string): number {
  const ms = /^[0-9]{1,15}$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(ms))
    throw new ReplayUsageError(`\`--at\` takes a time such as 2026-01-31T12:00:00Z, not \`${text}\`.`);
  return ms;
}

/** The command line asks for something that does not exist. */
export class ReplayUsageError extends BaseError {
  constructor(message: string) {
    super(message, {
      code: "REPLAY_USAGE",
      disposition: "reject",
      action: "`bun run replay --help` shows how.",
    });
  }
}
