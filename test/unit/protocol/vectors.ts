import { readFileSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../../../src/shared/assert.ts";
import type { CapabilitySet } from "../../../src/protocol/capabilities.ts";
import { fromHex } from "../../../src/protocol/bytes.ts";

/*
 * Recorded values of the network's reference node (`test/vectors/*.json`). Bytes are `0x` hex, integers that may
 * pass 2⁵³ decimal text.
 */

/** Cases of one file, of one kind where the file has kinds. Fails when there are none. */
export function vectors<Case>(file: string, kind?: string): readonly Case[] {
  const text = readFileSync(join(import.meta.dir, "../../vectors", `${file}.json`), "utf8");
  const { cases } = JSON.parse(text) as { readonly cases: readonly { readonly kind?: string }[] };
  const wanted = kind === undefined ? cases : cases.filter((some) => some.kind === kind);
  assert(wanted.length > 0, `No cases of kind ${kind} in ${file}.json.`);
  return wanted as unknown as readonly Case[];
}

/** Bytes of a hex text of a vector. */
export function bytes(hex: string): Uint8Array {
  const found = fromHex(hex);
  assert(found !== null, `Not hex: ${hex}`);
  return found;
}

/** Capabilities as the vectors write them. */
export type VectorCapabilities = {
  readonly bitstring: readonly string[];
  readonly mandatories: readonly string[];
  readonly version: string;
  readonly minVersion: string;
  readonly capacities: Readonly<Record<string, number>>;
  readonly perCapability: CapabilitySet["perCapability"];
};

/** Our form of a vector's capabilities. */
export function capabilitySetOf(vector: VectorCapabilities): CapabilitySet {
  return {
    ...vector,
    bitstring: vector.bitstring.map(BigInt),
    mandatories: vector.mandatories.map(BigInt),
  };
}
