import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChainConfig } from "../../../src/config/config.ts";
import { parseConfig } from "../../../src/config/parseConfig.ts";
import { readLocalFile } from "../../../src/config/localFiles.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { openAccount } from "../../../src/start/openAccount.ts";
import { eventually } from "../../support/eventually.ts";
import { writeKeystore } from "../../support/keystores.ts";
import { accountOfPrivateKey } from "../../support/signatures.ts";
import { repositoryDir } from "../../support/sourceFiles.ts";

/*
 * Goal: a node signs as the accounts that its operator named, and as nobody else; a person is asked for a pass phrase
 * only where one is there, and what is typed shows nowhere. Method: real key files, the configuration of real flags,
 * and for the questions a process on a pseudo terminal.
 */

// Some of it are processes, which take their time to start on a busy machine.
setDefaultTimeout(120_000);

const root = mkdtempSync(join(tmpdir(), "reprise-account-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const keyOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const accountOf = (byte: number): Hex => toHex(accountOfPrivateKey(keyOf(byte)));
/** The node's own, the reward caller and the redeemer. */
const [own, reward, redeemer] = [1, 2, 3] as const;
const cold = accountOf(4);

const folder = join(root, "keystore");
writeKeystore(folder, keyOf(own), "own phrase");
writeKeystore(folder, keyOf(reward), "own phrase");
writeKeystore(folder, keyOf(redeemer), "third phrase");

function chainOf(...flags: readonly string[]): ChainConfig {
  const parsed = parseConfig({
    argv: [
      ...["-network", "arbitrum-one-mainnet", "-ethUrl", "http://127.0.0.1:1", "-pricePerUnit", "1"],
      ...["-dataDir", root, ...flags],
    ],
    env: {},
    readFile: readLocalFile,
    homeDir: root,
    build: { version: "0", runtime: "bun", architecture: "x64", operatingSystem: "linux" },
  });
  if (parsed.type !== "config" || parsed.config.chain === null) throw new Error("no chain in the config");
  return parsed.config.chain;
}

test("one key for everything, unless others are named", async () => {
  const account = await openAccount(chainOf("-ethAcctAddr", accountOf(own), "-ethPassword", "own phrase"), {
    ask: null,
  });
  expect(toHex(account.identity.account)).toBe(accountOf(own));
  expect(toHex(account.recipient)).toBe(accountOf(own));
  expect([account.redeemer, account.rewardCaller]).toEqual([accountOf(own), accountOf(own)]);
  expect(account.signerKeys.map(({ account: hex }) => hex)).toEqual([accountOf(own)]);
  account.erase();
  expect(account.signerKeys.map(({ privateKey }) => toHex(privateKey))).toEqual([toHex(keyOf(0))]);
  expect(() => account.identity.sign(new Uint8Array(32))).toThrow("erased");
});

test("a cold recipient, a reward caller and a redeemer, each with its own pass phrase or the first one", async () => {
  writeFileSync(join(root, "third"), " third phrase\n");
  const account = await openAccount(
    chainOf(
      ...["-ethAcctAddr", accountOf(own), "-ethPassword", "own phrase", "-ethOrchAddr", cold],
      ...["-rewardAcctAddr", accountOf(reward)],
      ...["-redeemerAcctAddr", accountOf(redeemer), "-redeemerPassword", join(root, "third")],
    ),
    { ask: null },
  );
  expect(toHex(account.recipient)).toBe(cold);
  expect([account.redeemer, account.rewardCaller]).toEqual([accountOf(redeemer), accountOf(reward)]);
  expect(account.signerKeys.map(({ account: hex, privateKey }) => [hex, toHex(privateKey)])).toEqual(
    [own, reward, redeemer].map((byte) => [accountOf(byte), toHex(keyOf(byte))]),
  );
});

test("the same account in two roles is opened once; a key file's folder holds the others", async () => {
  const name = readdirSync(folder).find((file) => file.endsWith(accountOf(own).slice(2))) ?? "";
  const account = await openAccount(
    chainOf(
      ...["-ethKeystorePath", join(folder, name), "-ethPassword", "own phrase"],
      ...["-rewardAcctAddr", accountOf(redeemer), "-rewardPassword", "third phrase"],
      ...["-redeemerAcctAddr", accountOf(redeemer)],
    ),
    { ask: null },
  );
  expect(account.signerKeys.map(({ account: hex }) => hex)).toEqual([accountOf(own), accountOf(redeemer)]);
});

test("chain check 44: an account that the key store does not hold is refused, and no key is made", async () => {
  const before = readdirSync(folder);
  const named = ["-ethAcctAddr", accountOf(own), "-ethPassword", "own phrase"];
  for (const flags of [
    ["-ethAcctAddr", accountOf(9)],
    [...named, "-rewardAcctAddr", accountOf(9)],
    [...named, "-redeemerAcctAddr", accountOf(9)],
  ]) {
    const asked: string[] = [];
    const opening = openAccount(chainOf(...flags), {
      ask: (account) => Promise.resolve(asked.push(toHex(account)).toString()),
    });
    await expect(opening).rejects.toThrow("there is no key for the account");
    expect(asked).toEqual([]);
  }
  const empty = join(root, "empty");
  mkdirSync(empty, { recursive: true });
  const opening = openAccount(chainOf("-ethKeystorePath", empty), { ask: null });
  await expect(opening).rejects.toThrow("holds no key file");
  expect([readdirSync(folder), readdirSync(empty)]).toEqual([before, []]);
});

test("chain check 43: a wrong pass phrase that was given is an error at once; one that was not is asked for three times", async () => {
  const asked: string[] = [];
  const answers = ["wrong", "wrong too", "own phrase"];
  const ask = (account: Uint8Array): Promise<string> => {
    asked.push(toHex(account));
    return Promise.resolve(answers[asked.length - 1] ?? "nothing");
  };
  const opening = openAccount(chainOf("-ethAcctAddr", accountOf(own), "-ethPassword", "wrong"), { ask });
  await expect(opening).rejects.toThrow("could not decrypt key with given password");
  expect(asked).toEqual([]);

  const account = await openAccount(chainOf("-ethAcctAddr", accountOf(own)), { ask });
  expect(toHex(account.identity.account)).toBe(accountOf(own));
  expect(asked).toEqual([accountOf(own), accountOf(own), accountOf(own)]);

  const fourth = openAccount(chainOf("-ethAcctAddr", accountOf(own)), { ask });
  await expect(fourth).rejects.toThrow("could not decrypt key with given password");
  expect(asked.length).toBe(6);
  const nobody = openAccount(chainOf("-ethAcctAddr", accountOf(own)), { ask: null });
  await expect(nobody).rejects.toThrow("could not decrypt key with given password");
});

/** A process that opens the own account on a terminal of its own. */
function onTerminal() {
  const shown: string[] = [];
  const script = `
    import { openAccount } from ${JSON.stringify(join(repositoryDir, "src/start/openAccount.ts"))};
    const chain = { keystorePath: ${JSON.stringify(folder)}, accountText: "${accountOf(own)}",
      password: null, recipient: null, rewardKey: null, redeemerKey: null };
    try { await openAccount(chain); console.log("OPENED"); }
    catch (error) { console.log("FAILED " + error.message); process.exitCode = 1; }`;
  const child = Bun.spawn([process.execPath, "-e", script], {
    cwd: repositoryDir,
    terminal: { cols: 200, rows: 24, data: (_, bytes) => shown.push(new TextDecoder().decode(bytes)) },
  });
  const { terminal } = child;
  if (terminal === undefined) throw new Error("no terminal was made");
  const text = (): string => shown.join("");
  return {
    text,
    type: (keys: string) => terminal.write(keys),
    asked: (times: number) =>
      eventually(
        `question ${times}`,
        () => (text().split("Pass phrase of 0x").length > times ? true : null),
        60_000,
      ),
    exited: child.exited,
  };
}

test("on a terminal the pass phrase is asked for and not shown; it can be corrected", async () => {
  const terminal = onTerminal();
  await terminal.asked(1);
  terminal.type("wrong\r");
  await terminal.asked(2);
  terminal.type("junk\u0015own phrasx\u007fe\u001b[D\r");
  expect(await terminal.exited).toBe(0);
  await eventually("the last words", () => (terminal.text().includes("OPENED") ? true : null));
  for (const typed of ["wrong", "junk", "phrase\r", "own"]) expect(terminal.text()).not.toContain(typed);
});

test("Ctrl-C at the question ends the start", async () => {
  const terminal = onTerminal();
  await terminal.asked(1);
  terminal.type("abc\u0003");
  expect(await terminal.exited).toBe(1);
  await eventually("the last words", () =>
    terminal.text().includes("no pass phrase was given") ? true : null,
  );
});
