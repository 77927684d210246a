// Writes src/chain/lensCode.ts from contracts/Lens.sol, with the pinned compiler, so that a node needs none.
// `bun scripts/generateLens.ts` writes it; a test compares them.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const sourcePath = "contracts/Lens.sol";

/** Path of the generated module, from the root of the repository. */
export const lensCodePath = "src/chain/lensCode.ts";

const settings = {
  // The oldest that knows all we use: chains that are behind run it too.
  evmVersion: "paris",
  optimizer: { enabled: true, runs: 1 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["evm.bytecode.object"] } },
};

type SolcOutput = {
  readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
  readonly contracts?: Record<
    string,
    Record<string, { readonly evm: { readonly bytecode: { readonly object: string } } }>
  >;
};

/**
 * The whole text of the generated module.
 *
 * @throws Error with the compiler's words when the source does not compile, warnings included
 */
export async function renderLensCode(): Promise<string> {
  const { default: solc } = await import("solc");
  const content = readFileSync(join(root, sourcePath), "utf8");
  const input = JSON.stringify({ language: "Solidity", sources: { [sourcePath]: { content } }, settings });
  const output: SolcOutput = JSON.parse(solc.compile(input));
  const errors = output.errors ?? [];
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  const codeOf = (name: string) => output.contracts?.[sourcePath]?.[name]?.evm.bytecode.object ?? "";
  return [
    `// Written by scripts/generateLens.ts from ${sourcePath}. Edit there, then run the script.`,
    `import type { Hex } from "../shared/brand.ts";`,
    "",
    "/** Init code of `Lens`: its arguments follow it. */",
    ...constantOf("lensCode", codeOf("Lens")),
    "",
    "/** Init code of `PoolLens`: its arguments follow it. */",
    ...constantOf("poolLensCode", codeOf("PoolLens")),
    "",
  ].join("\n");
}

function constantOf(name: string, code: string): readonly string[] {
  if (code === "") throw new Error(`${sourcePath} has no ${name}.`);
  const lines = code.match(/.{1,96}/g) ?? [];
  return [`export const ${name}: Hex = \`0x\${[`, ...lines.map((line) => `  "${line}",`), '].join("")}`;'];
}

if (import.meta.main) writeFileSync(join(root, lensCodePath), await renderLensCode());
