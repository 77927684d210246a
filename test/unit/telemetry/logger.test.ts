import { describe, expect, test } from "bun:test";
import { BaseError } from "../../../src/shared/errors.ts";
import {
  createLogger,
  createVerbosity,
  type LogFields,
  type Logger,
  levelOfVerbosity,
} from "../../../src/telemetry/logger.ts";

function setUp(format: "text" | "json", verbosity = 3) {
  const lines: string[] = [];
  const level = createVerbosity(verbosity);
  const logger = createLogger({
    verbosity: level,
    format,
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  return { lines, level, logger };
}

describe("JSON lines", () => {
  test("hold time, level, message and the fields of every parent", () => {
    const { lines, logger } = setUp("json");
    logger
      .child({ correlationId: "c1" })
      .child({ sessionId: "s1" })
      .info("segment accepted", { segmentId: 7n, bytes: 12 });
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      time: "1970-01-01T00:00:00.000Z",
      level: "info",
      msg: "segment accepted",
      correlationId: "c1",
      sessionId: "s1",
      segmentId: "7",
      bytes: 12,
    });
    expect(lines[0]).toEndWith("}\n");
  });

  test("a field never hides what the line says, undefined is left out, errors bring their code", () => {
    const { lines, logger } = setUp("json");
    const error = new BaseError("The disk is full.", { code: "DISK_FULL", disposition: "halt" });
    logger.error("stopped", { msg: "x", level: "y", gone: undefined, error, ratio: Number.NaN, none: null });
    expect(JSON.parse(lines[0] ?? "")).toEqual({
      time: "1970-01-01T00:00:00.000Z",
      level: "error",
      msg: "stopped",
      msg_: "x",
      level_: "y",
      error: "The disk is full.",
      errorCode: "DISK_FULL",
      ratio: "NaN",
      none: null,
    });
  });
});

describe("text lines", () => {
  test("read well and quote what needs it", () => {
    const { lines, logger } = setUp("text");
    logger.warn("worker lost", { workerId: "w1", cause: "hung up", count: 2, empty: "" });
    expect(lines).toEqual([
      '1970-01-01T00:00:00.000Z WARN  worker lost workerId=w1 cause="hung up" count=2 empty=""\n',
    ]);
  });

  // A peer may put line feeds and terminal escapes into what we log: they must not forge lines or colours.
  test("control characters cannot forge lines", () => {
    const { lines, logger } = setUp("text");
    logger.info("a\nERROR b", { peer: "x\n\u001b[31my\u2028" });
    expect(lines.length).toBe(1);
    for (const control of ["\n", "\u001b", "\u2028"]) expect(lines[0]?.slice(0, -1)).not.toContain(control);
  });

  test("long texts are cut", () => {
    const { lines, logger } = setUp("text");
    logger.info("x", { peer: "y".repeat(1_000_000) });
    expect(lines[0]?.length ?? 0).toBeLessThan(2_200);
  });
});

describe("levels", () => {
  const all = (logger: Logger, fields?: LogFields) => {
    for (const level of ["error", "warn", "info", "debug", "trace"] as const) logger[level](level, fields);
  };

  test("go-livepeer's verbosity decides, and can be changed while running, for children too", () => {
    const { lines, level, logger } = setUp("text", 4);
    const child = logger.child({});
    all(child);
    expect(lines.length).toBe(3);
    level.set(5);
    all(child);
    expect(lines.length).toBe(3 + 4);
    level.set(6);
    all(child);
    expect(lines.length).toBe(3 + 4 + 5);
    level.set(-1);
    all(child);
    expect(lines.length).toBe(3 + 4 + 5 + 3);
    expect([-1, 0, 3, 4, 5, 6, 99].map(levelOfVerbosity)).toEqual([
      "info",
      "info",
      "info",
      "info",
      "debug",
      "trace",
      "trace",
    ]);
  });

  test("a level that is off builds nothing", () => {
    const { lines, logger } = setUp("json");
    let reads = 0;
    const fields = {
      get costly() {
        reads++;
        return 1;
      },
    };
    logger.debug("x", fields);
    expect(reads).toBe(0);
    expect(lines).toEqual([]);
    expect(logger.isEnabled("debug")).toBe(false);
    expect(logger.isEnabled("info")).toBe(true);
  });
});
