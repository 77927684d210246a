import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { keccak256, stringToBytes, toBytes } from "viem";
import { writeKeystore } from "../../test/support/keystores.ts";
import { accountOfPrivateKey } from "../../test/support/signatures.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import type { Hex } from "../../test/support/chain/transactions.ts";

/** An account of the chain that everybody may use: its key is no secret. */
export type DevAccount = { readonly privateKey: Uint8Array; readonly account: Hex };

/** Who registers and serves. */
export const orchestrator: DevAccount = devAccount("reprise devchain orchestrator");
/** Who has a deposit and pays. */
export const gateway: DevAccount = devAccount("reprise devchain gateway");

/** What a running chain is; the content of `devchain.json`. */
export type DevchainRecord = {
  readonly url: string;
  readonly chainId: number;
  readonly controller: Hex;
  readonly aiServiceRegistry: Hex;
  readonly pollCreator: Hex;
  readonly roundLength: number;
  readonly blockTimeS: number;
  readonly serviceAddr: string;
  readonly orchestrator: { readonly account: Hex; readonly keystore: string };
  readonly gateway: { readonly account: Hex; readonly keystore: string };
  readonly passwordFile: string;
  /** Flags of the node, names and values in turns. */
  readonly nodeFlags: readonly string[];
  readonly nodeConfig: string;
};

const recordName = "devchain.json";

/** Where things are below the folder. */
export function pathsIn(outDir: string) {
  return {
    orchestratorKeys: join(outDir, "orchestrator/keystore"),
    gatewayKeys: join(outDir, "gateway/keystore"),
    password: join(outDir, "password"),
    nodeData: join(outDir, "node"),
    nodeConfig: join(outDir, "node.conf"),
    media: join(outDir, "media"),
  };
}

/**
 * Empties the folder of what an earlier chain left (a node's data belongs to one chain), and writes the keys.
 *
 * @throws Error when the folder holds anything that is not of an earlier chain
 */
export function prepareFolder(outDir: string): void {
  if (existsSync(outDir) && readdirSync(outDir).length > 0) {
    if (!existsSync(join(outDir, recordName))) {
      throw new Error(
        `${outDir} is not empty and not of an earlier devchain. Name another folder with --out.`,
      );
    }
    rmSync(outDir, { recursive: true });
  }
  const paths = pathsIn(outDir);
  mkdirSync(outDir, { recursive: true });
  writeFileSync(join(outDir, recordName), "{}\n");
  writeFileSync(paths.password, "devchain\n", { mode: 0o600 });
  writeKeystore(paths.orchestratorKeys, orchestrator.privateKey, "devchain");
  writeKeystore(paths.gatewayKeys, gateway.privateKey, "devchain");
}

/** Writes what the chain is, and the node's settings as a file. */
export function writeRecord(outDir: string, record: DevchainRecord): void {
  writeFileSync(join(outDir, recordName), `${JSON.stringify(record, null, 2)}\n`);
  const lines: string[] = ["# Written by `bun run devchain`; everything here is of that chain."];
  for (let at = 0; at < record.nodeFlags.length; at += 2) {
    lines.push(`${record.nodeFlags[at]?.slice(1)} ${record.nodeFlags[at + 1]}`);
  }
  writeFileSync(record.nodeConfig, `${lines.join("\n")}\n`);
}

/** @throws Error when no chain has run here */
export function readRecord(outDir: string): DevchainRecord {
  try {
    const read: Partial<DevchainRecord> = JSON.parse(readFileSync(join(outDir, recordName), "utf8"));
    if (read.url !== undefined) return read as DevchainRecord;
  } catch {
    // Said below.
  }
  throw new Error(`there is no chain in ${outDir}. Start one with \`bun run devchain\`.`);
}

function devAccount(name: string): DevAccount {
  const privateKey = toBytes(keccak256(stringToBytes(name)));
  return { privateKey, account: toHex(accountOfPrivateKey(privateKey)) };
}
