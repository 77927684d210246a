import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { join } from "node:path";
import { ethText, ExactSum } from "../../../src/ledger/amounts.ts";
import { momentOption } from "../../../src/ledger/commandLine.ts";
import { csvLine } from "../../../src/ledger/csv.ts";
import { rational } from "../../../src/protocol/rational.ts";
import { type LogFolder, logFolder } from "../../support/logFolder.ts";
import { meddle, readRows, unguard } from "../../support/logRows.ts";
import { ledgerSteps, writeSteps } from "./ledgerWalks.ts";
import { gateways, ledger, MoneyWriter, payment, rowsOf, startMs, wonTicket } from "./moneyFolder.ts";

/*
 * Goal: the ledger's sums are the sums of the events, to the last part of a wei, however they are grouped, and a
 * ledger that says anything else is found out. Method: random lives of accounts through the real journal; their
 * sums are made here once more, by fractions that are never reduced.
 */

type Line = {
  readonly by: string;
  readonly key: string;
  readonly priceMin: string | null;
  readonly priceMax: string | null;
  readonly jobs: number;
  readonly released: number;
  readonly units: string;
  readonly tickets: number;
  readonly creditedTickets: number;
  readonly winners: number;
  readonly winnersFaceValue: string;
  readonly credited: string;
  readonly debited: string;
  readonly forfeited: string;
  readonly balance: string;
};

/** A fraction of this file's own, so that nothing of what is tested does the sums. */
type Fraction = readonly [bigint, bigint];
const plus = ([a, b]: Fraction, [c, d]: Fraction): Fraction => [a * d + c * b, b * d];
const minus = (left: Fraction, [c, d]: Fraction): Fraction => plus(left, [-c, d]);
const isSame = ([a, b]: Fraction, [c, d]: Fraction): boolean => a * d === c * b;
const read = (text: string): Fraction => {
  const [n = "", d = "1"] = text.split("/");
  return [BigInt(n), BigInt(d)];
};
const of = ({ numerator, denominator }: { numerator: bigint; denominator: bigint }): Fraction => [
  numerator,
  denominator,
];
const total = (values: readonly Fraction[]): Fraction => values.reduce(plus, [0n, 1n]);

async function withSteps(
  steps: Parameters<typeof writeSteps>[1],
  use: (dataDir: string, written: ReturnType<typeof writeSteps>) => Promise<void>,
): Promise<void> {
  using folder = logFolder();
  const writer = await MoneyWriter.open(folder.path);
  const written = writeSteps(writer, steps);
  await writer.close();
  await use(folder.path, written);
}

const lines = (dataDir: string, ...argv: readonly string[]) =>
  rowsOf<Line>(ledger("--dataDir", dataDir, "--json", ...argv));

describe("sums", () => {
  test("equal the events exactly, however they are grouped", async () => {
    await fc.assert(
      fc.asyncProperty(ledgerSteps, (steps) =>
        withSteps(steps, async (dataDir, written) => {
          const events = written.map(({ event }) => event);
          const payments = events.filter((event) => event.type === "PaymentAccepted");
          const debits = events.filter((event) => event.type === "JobDebited");
          const credited = total(payments.map(({ credit }) => of(credit)));
          const debited = total(debits.map(({ fee }) => of(fee)));
          const forfeits = events.filter((event) => event.type === "AccountExpired");
          const forfeited = total(forfeits.map(({ balance }) => of(balance)));
          const faceValue = payments.reduce(
            (sum, each) => sum + each.faceValue * BigInt(each.winners.length),
            0n,
          );
          for (const by of ["gateway", "account", "day"]) {
            const rows = await lines(dataDir, "--by", by);
            const [groups, sum] = [rows.slice(0, -1), rows.at(-1) as Line];
            expect(sum.key).toBe("total");
            expect(isSame(read(sum.credited), credited)).toBe(true);
            expect(isSame(read(sum.debited), debited)).toBe(true);
            expect(isSame(read(sum.forfeited), forfeited)).toBe(true);
            expect(isSame(read(sum.balance), minus(minus(credited, debited), forfeited))).toBe(true);
            expect(sum.units).toBe(String(debits.reduce((units, each) => units + each.units, 0n)));
            expect(sum.winnersFaceValue).toBe(String(faceValue));
            expect(sum.tickets).toBe(payments.reduce((count, { nonces }) => count + nonces.length, 0));
            expect(sum.released).toBe(events.filter(({ type }) => type === "JobReleased").length);
            expect(sum.jobs).toBe(debits.length + sum.released);
            for (const name of ["credited", "debited", "forfeited"] as const) {
              expect(isSame(total(groups.map((line) => read(line[name]))), read(sum[name]))).toBe(true);
            }
            for (const name of ["jobs", "tickets", "creditedTickets", "winners"] as const) {
              expect(groups.reduce((count, line) => count + line[name], 0)).toBe(sum[name]);
            }
            const balance =
              by === "day" ? read(groups.at(-1)?.balance ?? "0") : total(groups.map((g) => read(g.balance)));
            expect(isSame(balance, read(sum.balance))).toBe(true);
          }
          const jobs = await rowsOf<{ debited: string; outcome: string }>(
            ledger("--dataDir", dataDir, "--by", "job", "--json"),
          );
          expect(isSame(total(jobs.map((job) => read(job.debited))), debited)).toBe(true);
          const reserved = events.filter(({ type }) => type === "JobReserved").length;
          expect(jobs).toHaveLength(reserved);
        }),
      ),
      { numRuns: 30 },
    );
  }, 60_000);

  test("of two halves of time are the whole, and each balance is that of its moment", async () => {
    await fc.assert(
      fc.asyncProperty(ledgerSteps, fc.nat({ max: 59 }), (steps, cut) =>
        withSteps(steps, async (dataDir, written) => {
          const at = new Date(written[cut % Math.max(1, written.length)]?.atMs ?? startMs).toISOString();
          const [whole, early, late] = await Promise.all([
            lines(dataDir),
            lines(dataDir, "--to", at),
            lines(dataDir, "--from", at),
          ]).then((all) => all.map((rows) => rows.at(-1) as Line));
          if (whole === undefined || early === undefined || late === undefined) throw new Error();
          for (const name of ["credited", "debited", "forfeited"] as const) {
            expect(isSame(plus(read(early[name]), read(late[name])), read(whole[name]))).toBe(true);
          }
          expect(early.jobs + late.jobs).toBe(whole.jobs);
          const after = (await lines(dataDir, "--by", "account", "--from", at)).slice(0, -1);
          expect(isSame(total(after.map(({ balance }) => read(balance))), read(whole.balance))).toBe(true);
          expect(late.balance).toBe(whole.balance);
          const left = minus(minus(read(early.credited), read(early.debited)), read(early.forfeited));
          expect(isSame(left, read(early.balance))).toBe(true);
        }),
      ),
      { numRuns: 15 },
    );
  }, 60_000);

  test("of one gateway are its line", async () => {
    await fc.assert(
      fc.asyncProperty(ledgerSteps, (steps) =>
        withSteps(steps, async (dataDir) => {
          const all = await lines(dataDir);
          for (const gateway of gateways) {
            const own = await lines(dataDir, "--gateway", gateway);
            const line = all.find(({ key }) => key === gateway);
            expect(own.slice(0, -1)).toEqual(line === undefined ? [] : [line]);
          }
        }),
      ),
      { numRuns: 10 },
    );
  }, 60_000);
});

describe("--check", () => {
  test("finds no difference in whatever the node could have written", async () => {
    await fc.assert(
      fc.asyncProperty(ledgerSteps, (steps) =>
        withSteps(steps, async (dataDir, written) => {
          const { code, lines: out } = await ledger("--dataDir", dataDir, "--check", "--json");
          expect(JSON.parse(out[0] ?? "")).toMatchObject({
            payments: written.filter(({ event }) => event.type === "PaymentAccepted").length,
            findings: [],
          });
          expect(code).toBe(0);
        }),
      ),
      { numRuns: 30 },
    );
  }, 60_000);

  /** A log with a row in every table. */
  async function writeAll(dataDir: string): Promise<void> {
    const writer = await MoneyWriter.open(dataDir);
    const account = `account:${gateways[0]}/m.1` as const;
    const { hash, won } = wonTicket();
    const fee = rational(5n, 3n);
    writer.add(`ticket:${hash}`, won);
    writer.add(account, payment({ winners: [hash], credit: rational(7n, 3n) }));
    writer.add(account, {
      type: "PriceFixed",
      sender: gateways[0],
      price: rational(1n, 3n),
      idleDeadlineMs: 0,
    });
    for (const jobId of ["a", "b", "c"]) {
      writer.add(account, {
        type: "JobReserved",
        jobId,
        units: 6n,
        price: rational(1n, 3n),
        fee: rational(2n),
      });
    }
    writer.add(account, {
      ...{ type: "JobDebited", jobId: "a", units: 5n, price: rational(1n, 3n), fee, idleDeadlineMs: 0 },
    });
    writer.add(account, { type: "JobReleased", jobId: "b", idleDeadlineMs: 0 });
    writer.add(
      `account:${gateways[1]}/m.1`,
      payment({ sender: gateways[1], credit: rational(1n), nonces: [2] }),
    );
    writer.add(`account:${gateways[1]}/m.1`, { type: "AccountExpired", balance: rational(1n) });
    await writer.close();
  }

  test("any cell that is changed, any row that is gone or made up is found", async () => {
    using folder = logFolder();
    const { path } = folder;
    await writeAll(path);
    const tables = [
      ...["tickets", "nonces", "ledger_payments", "ledger_prices"],
      ...["ledger_reservations", "ledger_jobs", "ledger_expiries"],
    ];
    expect((await ledger("--dataDir", path, "--check")).lines.at(-1)).toBe("The ledger equals its events.");
    const copy = join(path, "copy");
    let found = 0;
    for (const table of tables) {
      const columns = readRows<{ name: string; type: string }>(
        path,
        `SELECT name, type FROM pragma_table_info('${table}')`,
      );
      // A changed key is a row that is gone and another one that is made up.
      const changes = columns.map(
        ({ name, type }) =>
          `UPDATE ${table} SET ${name} = ${type.toLowerCase() === "integer" ? `${name} + 77` : "'77'"}
            WHERE ${name} = (SELECT min(${name}) FROM ${table})`,
      );
      for (const change of [...changes, `DELETE FROM ${table}`]) {
        await Bun.write(join(copy, "reprise.sqlite3"), Bun.file(join(path, "reprise.sqlite3")));
        const before = readRows<object>(copy, `SELECT * FROM ${table}`);
        meddle(copy, "PRAGMA journal_mode = DELETE", change);
        const isChanged = !Bun.deepEquals(before, readRows<object>(copy, `SELECT * FROM ${table}`));
        const { code, lines: out } = await ledger("--dataDir", copy, "--check");
        // Columns that are all null stay so, and say nothing.
        expect([change, code, out.at(-1)]).toEqual([
          change,
          isChanged ? 1 : 0,
          isChanged ? expect.stringMatching(/^\d+ differences found\.$/) : "The ledger equals its events.",
        ]);
        found += code;
      }
    }
    expect(found).toBeGreaterThan(50);
  }, 60_000);

  test("events that contradict one another are found: a balance, a payer, a winner without its ticket", async () => {
    using folder = logFolder();
    const { path } = folder;
    const writer = await MoneyWriter.open(path);
    const account = `account:${gateways[0]}/m.1` as const;
    const winner = `0x${"ee".repeat(32)}` as const;
    writer.add(account, payment({ sender: gateways[1], credit: rational(9n), winners: [winner] }));
    writer.add(account, { type: "AccountExpired", balance: rational(8n) });
    await writer.close();
    const { code, lines: out } = await ledger("--dataDir", path, "--check");
    expect(code).toBe(1);
    expect(out.slice(1)).toEqual([
      `The payment 1 of ${gateways[1]} went into the account \`${gateways[0]}/m.1\`.`,
      `The account \`${gateways[0]}/m.1\` was forgotten with 8 wei, but its payments and jobs leave 9.`,
      `The payment 1 names the winner ${winner}: it has no ticket.`,
      "3 differences found.",
    ]);
  });

  test("an event that somebody changed in the file is found", async () => {
    using folder = logFolder();
    await writeAll(folder.path);
    meddle(
      folder.path,
      ...unguard,
      `UPDATE events SET data = json_set(data, '$.credit.numerator', '8') WHERE type = 'PaymentAccepted'`,
    );
    const { code, lines: out } = await ledger("--dataDir", folder.path, "--check");
    expect([code, out.join("\n")]).toEqual([1, expect.stringContaining("`credit` is 7/3 and must be 8/3")]);
  });
});

describe("what is printed", () => {
  const account = `account:${gateways[0]}/m.1` as const;

  async function writeDays(folder: LogFolder): Promise<void> {
    const writer = await MoneyWriter.open(folder.path);
    const price = rational(7n, 3n);
    const day = 86_400_000;
    writer.atMs = startMs + day - 1;
    writer.add(account, payment({ nonces: [1, 2], creditedTickets: 2, credit: rational(10n ** 15n, 3n) }));
    writer.add(account, { type: "PriceFixed", sender: gateways[0], price, idleDeadlineMs: 0 });
    writer.add(account, { type: "JobReserved", jobId: "m.1/0", units: 900n, price, fee: rational(2_100n) });
    writer.atMs = startMs + day;
    writer.add(account, {
      ...{
        type: "JobDebited",
        jobId: "m.1/0",
        units: 100n,
        price,
        fee: rational(700n, 3n),
        idleDeadlineMs: 0,
      },
    });
    writer.add(account, { type: "JobReserved", jobId: "m.1/1", units: 900n, price, fee: rational(2_100n) });
    await writer.close();
  }

  test("a day is a day in UTC, and its balance is what the evening left", async () => {
    using folder = logFolder();
    await writeDays(folder);
    const rows = await lines(folder.path, "--by", "day");
    expect(rows.map(({ key, credited, debited, balance }) => [key, credited, debited, balance])).toEqual([
      ["2026-01-01", "1000000000000000/3", "0", "1000000000000000/3"],
      ["2026-01-02", "0", "700/3", "333333333333100"],
      ["total", "1000000000000000/3", "700/3", "333333333333100"],
    ]);
    const second = await lines(folder.path, "--by", "day", "--from", "2026-01-02", "--to", "2026-01-02");
    expect(second.map(({ key, debited, balance }) => [key, debited, balance])).toEqual([
      ["2026-01-02", "700/3", "333333333333100"],
      ["total", "700/3", "333333333333100"],
    ]);
    const first = await lines(folder.path, "--to", "2026-01-01");
    expect(first.at(-1)).toMatchObject({ debited: "0", jobs: 0, balance: "1000000000000000/3" });
  });

  test("--csv: exact fractions, a header, and no total that a sheet would add up too", async () => {
    using folder = logFolder();
    await writeDays(folder);
    expect((await ledger("--dataDir", folder.path, "--csv")).lines.join("\n")).toMatchInlineSnapshot(`
      "gateway,priceMin,priceMax,jobs,released,units,tickets,creditedTickets,winners,winnersFaceValue,credited,debited,forfeited,balance
      0x7e5f4552091a69125d5dfcb7b8c2659029395bdf,7/3,7/3,1,0,100,2,2,0,0,1000000000000000/3,700/3,0,333333333333100"
    `);
    expect((await ledger("--dataDir", folder.path, "--csv", "--by", "job")).lines.join("\n"))
      .toMatchInlineSnapshot(`
      "atMs,job,account,gateway,outcome,price,units,debited,reservedUnits,reserved
      1767312000000,m.1/0,0x7e5f4552091a69125d5dfcb7b8c2659029395bdf/m.1,0x7e5f4552091a69125d5dfcb7b8c2659029395bdf,debited,7/3,100,700/3,900,2100
      1767312000000,m.1/1,0x7e5f4552091a69125d5dfcb7b8c2659029395bdf/m.1,0x7e5f4552091a69125d5dfcb7b8c2659029395bdf,open,7/3,0,0,900,2100"
    `);
  });

  test("the table rounds to ETH, and says so by its unit", async () => {
    using folder = logFolder();
    await writeDays(folder);
    const { lines: table } = await ledger("--dataDir", folder.path);
    expect(table.join("\n")).toMatchInlineSnapshot(`
      "gateway                                     price         jobs  units  credited     debited               tickets  won  face value  forfeited  balance (ETH)
      0x7e5f4552091a69125d5dfcb7b8c2659029395bdf  2.333333 wei  1     100    0.000333333  0.000000000000000233  2        0    0           0          0.000333333
      total                                       2.333333 wei  1     100    0.000333333  0.000000000000000233  2        0    0           0          0.000333333"
    `);
    const { lines: jobs } = await ledger("--dataDir", folder.path, "--by", "job");
    expect(jobs.join("\n")).toMatchInlineSnapshot(`
      "time                     job    gateway                                     outcome  price         units  debited (ETH)         reserved (ETH)
      2026-01-02 00:00:00.000  m.1/0  0x7e5f4552091a69125d5dfcb7b8c2659029395bdf  debited  2.333333 wei  100    0.000000000000000233  0.0000000000000021
      2026-01-02 00:00:00.000  m.1/1  0x7e5f4552091a69125d5dfcb7b8c2659029395bdf  open     2.333333 wei  0      0                     0.0000000000000021"
    `);
  });

  test("names from gateways neither break a sheet nor run in it", () => {
    expect(csvLine(["a,b", 'q"q', "two\nlines", null, -5, "-7/3", "plain"])).toBe(
      '"a,b","q""q","two\nlines",,-5,-7/3,plain',
    );
    expect(csvLine(["=1+1", "+x", "-x", "@x", "\tx"])).toBe("'=1+1,'+x,'-x,'@x,'\tx");
  });

  test("a log without money, wrong options", async () => {
    using folder = logFolder();
    await (await MoneyWriter.open(folder.path)).close();
    expect(await lines(folder.path)).toEqual([
      expect.objectContaining({ key: "total", credited: "0", priceMin: null, balance: "0" }),
    ]);
    expect((await ledger("--dataDir", folder.path, "--check")).code).toBe(0);
    expect((await ledger("--help")).code).toBe(0);
    const wrong: readonly (readonly [readonly string[], string])[] = [
      [[], "Name the log"],
      [["--by", "moon"], "`--by` is gateway, account, day, job"],
      [["--from", "yesterday"], "`--from` takes a day"],
      [["--to", "2026-02-30"], "`--to` takes a day"],
      [["--gateway", "0x12"], "`--gateway` takes an account"],
      [["--csv", "--json"], "Choose one"],
      [["extra"], "extra"],
    ];
    for (const [argv, text] of wrong) {
      const { code, errors } = await ledger(
        ...(argv.length === 0 ? [] : ["--dataDir", folder.path, ...argv]),
      );
      expect([code, errors]).toEqual([2, expect.stringContaining(text)]);
    }
  });
});

describe("amounts", () => {
  test("ETH for people: six digits that count, rounded half away from zero", () => {
    const eth = 10n ** 18n;
    const shown: readonly (readonly [bigint, string])[] = [
      [0n, "0"],
      [eth, "1"],
      [-eth, "-1"],
      [1n, "0.000000000000000001"],
      [1_234_567_890_000_000_000n, "1.23457"],
      [-1_234_565_000_000_000_000n, "-1.23457"],
      [79_257_600n, "0.0000000000792576"],
      [123_456_789n * eth, "123456789"],
      [999_999_999_999_999_999n, "1"],
    ];
    expect(shown.map(([wei]) => ethText(wei))).toEqual(shown.map(([, text]) => text));
    expect(ethText(rational(1n, 3n))).toBe("<1 wei");
    expect(ethText(rational(-1n, 3n))).toBe("-<1 wei");
    expect(ethText(rational(1n, 2n))).toBe("0.000000000000000001");
  });

  test("a sum of fractions is exact, in any order", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n }),
            fc.bigInt({ min: 1n, max: 2n ** 80n }),
          ),
        ),
        (values) => {
          const sum = new ExactSum();
          for (const [n, d] of values) sum.add(rational(n, d));
          expect(isSame(read(sum.text()), total(values))).toBe(true);
        },
      ),
    );
  });

  test("a day names all of itself, a moment only itself", () => {
    expect(momentOption("from", "2026-01-01", false)).toBe(startMs);
    expect(momentOption("to", "2026-01-01", true)).toBe(startMs + 86_400_000);
    expect(momentOption("to", "2026-01-01T00:00:00Z", true)).toBe(startMs);
    expect(momentOption("to", "2026-01-01T01:00+01:00", true)).toBe(startMs);
    expect(momentOption("to", undefined, true)).toBeUndefined();
  });
});
