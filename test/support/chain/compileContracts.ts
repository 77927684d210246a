import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Abi } from "viem";
import { repositoryDir } from "../sourceFiles.ts";

/** A contract of `test/contracts`, ready to be deployed. */
export type CompiledContract = { readonly abi: Abi; readonly bytecode: `0x${string}` };

const sourceDir = join(repositoryDir, "test/contracts");
const settings = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 200 },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } },
};

/**
 * Every contract of `test/contracts` by its name. Compiled once for a content (2 s), then read from `.build/`.
 *
 * @throws Error with the compiler's words when a contract does not compile.
 */
export async function compileContracts(): Promise<Readonly<Record<string, CompiledContract>>> {
  const sources: Record<string, { content: string }> = {};
  for (const name of readdirSync(sourceDir).sort()) {
    if (name.endsWith(".sol")) sources[name] = { content: readFileSync(join(sourceDir, name), "utf8") };
  }
  const version = readFileSync(join(repositoryDir, "node_modules/solc/package.json"), "utf8");
  const input = JSON.stringify({ language: "Solidity", sources, settings });
  const key = createHash("sha256").update(version).update(input).digest("hex").slice(0, 32);
  const folder = join(repositoryDir, ".build/contracts");
  const path = join(folder, `${key}.json`);
  const cached = readOrNull(path);
  if (cached !== null) return JSON.parse(cached);

  const compiled = await compile(input);
  mkdirSync(folder, { recursive: true });
  // Several test processes may compile at once: each writes whole files only.
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, JSON.stringify(compiled));
  renameSync(draft, path);
  return compiled;
}

type SolcOutput = {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly contracts?: Record<
    string,
    Record<string, { readonly abi: Abi; readonly evm: { readonly bytecode: { readonly object: string } } }>
  >;
};

async function compile(input: string): Promise<Record<string, CompiledContract>> {
  // Loaded only when needed: the compiler is 10 MB of JavaScript.
  const { default: solc } = await import("solc");
  const output: SolcOutput = JSON.parse(solc.compile(input));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  const compiled: Record<string, CompiledContract> = {};
  for (const contracts of Object.values(output.contracts ?? {})) {
    for (const [name, contract] of Object.entries(contracts)) {
      const code = contract.evm.bytecode.object;
      if (code !== "") compiled[name] = { abi: contract.abi, bytecode: `0x${code}` };
    }
  }
  return compiled;
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
