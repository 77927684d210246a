import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { $, argv, which } from "zx";

/*
 * Generates `src/protocol/gen/*_pb.ts` from `proto/*.proto`.
 *
 *   bun scripts/generateProto.ts           writes the generated code
 *   bun scripts/generateProto.ts --check   only compares, exit 1 when the code is not in step
 *
 * The result is committed, so nobody needs `protoc` to build or run Reprise. Each generated file ends with the
 * SHA-256 of the `.proto` it came from; `test/unit/protocol/generatedCode.test.ts` compares it.
 */

const repositoryDir = join(dirname(Bun.fileURLToPath(import.meta.url)), "..");
const generatedDir = join(repositoryDir, "src/protocol/gen");
const names = ["lp_rpc"];

if (argv["help"] === true) {
  console.log("usage: bun scripts/generateProto.ts [--check]");
  process.exit(0);
}
if ((await which("protoc", { nothrow: true })) === null) {
  console.error("`protoc` is missing. Install it: apt-get install -y protobuf-compiler");
  process.exit(1);
}

$.cwd = repositoryDir;
let isInStep = true;
for (const name of names) {
  const proto = await readFile(join(repositoryDir, "proto", `${name}.proto`));
  const target = join(generatedDir, `${name}_pb.ts`);
  const text = await generate(name, proto);
  const before = await readFile(target, "utf8").catch(() => "");
  if (text === before) continue;
  if (argv["check"] === true) {
    isInStep = false;
    console.error(`src/protocol/gen/${name}_pb.ts is not in step: run bun scripts/generateProto.ts`);
    continue;
  }
  await mkdir(generatedDir, { recursive: true });
  await writeFile(target, text);
  console.log(`wrote src/protocol/gen/${name}_pb.ts`);
}
process.exit(isInStep ? 0 : 1);

async function generate(name: string, proto: Uint8Array): Promise<string> {
  const outDir = join(repositoryDir, ".build", "proto");
  await mkdir(outDir, { recursive: true });
  const plugin = "protoc-gen-es=node_modules/.bin/protoc-gen-es";
  const options = "target=ts,import_extension=ts,erasable_syntax=true";
  await $`protoc --plugin=${plugin} --es_out=${outDir} --es_opt=${options} --proto_path=proto ${name}.proto`.quiet();
  const generated = await readFile(join(outDir, `${name}_pb.ts`), "utf8");
  const hash = createHash("sha256").update(proto).digest("hex");
  const stamped = `${generated.trimEnd()}\n\n// proto-sha256: ${hash}\n`;
  const file = `src/protocol/gen/${name}_pb.ts`;
  return (await $({ input: stamped })`bun fmt --stdin-filepath=${file}`.quiet()).stdout;
}
