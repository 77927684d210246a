import { type Address, encodeAbiParameters, zeroAddress } from "viem";
import type { Hex } from "../shared/brand.ts";
import type { RpcAnswer, RpcCall } from "./jsonRpc.ts";
import { poolLensCode } from "./lensCode.ts";
import type { PoolMember } from "./poolHints.ts";
import { BadAnswer, outcomeOf, type Read, resultBytes } from "./reads.ts";

/*
 * The pool of orchestrators in one `eth_call`, where member by member would be hundreds: the constructor of
 * `PoolLens` in `contracts/Lens.sol` walks it. A pool of more than 700 members takes a second call.
 */

const pageMembersMax = 700;
/** Ten times the size of Livepeer's pool. */
const poolMembersMax = 1_000;
const stakeBits = 96n;

type PoolPage = {
  readonly members: readonly PoolMember[];
  /** Where the next page begins; null after the last one. */
  readonly next: Hex | null;
};

/**
 * The members in the order of the pool, which is by stake, highest first; of a larger pool the first 1,000. Null when
 * it cannot be read now, or does not make sense.
 */
export async function readPool(
  rpc: { batch(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> },
  bondingManager: Address,
): Promise<readonly PoolMember[] | null> {
  const members: PoolMember[] = [];
  let first: Hex | null = zeroAddress;
  while (first !== null && members.length < poolMembersMax) {
    const read: Read<PoolPage> = readPoolPage(bondingManager, first);
    const outcome = outcomeOf(read, (await rpc.batch([read.call]))[0]);
    if (outcome.type === "failed") return null;
    members.push(...outcome.value.members);
    first = outcome.value.next;
  }
  // Somebody moved between two pages, or the endpoint lies.
  if (new Set(members.map(({ account }) => account)).size !== members.length) return null;
  return members.slice(0, poolMembersMax);
}

/** One page of the pool. `first`: where it begins; the zero address for the head of the pool. */
export function readPoolPage(bondingManager: Address, first: Hex): Read<PoolPage> {
  const words = encodeAbiParameters([{ type: "address" }, { type: "address" }], [bondingManager, first]);
  return {
    call: { method: "eth_call", params: [{ data: `${poolLensCode}${words.slice(2)}` }, "latest"] },
    decode: (result) => {
      const answer = resultBytes(result, 32 * (1 + pageMembersMax));
      const count = (answer.length - 2) / 64 - 1;
      if (!Number.isInteger(count) || count < 0) {
        throw new BadAnswer("the pool has an answer that is not understood");
      }
      const wordAt = (at: number) => BigInt(`0x${answer.slice(2 + 64 * at, 66 + 64 * at)}`);
      const members = Array.from({ length: count }, (_, at) => {
        const word = wordAt(at + 1);
        return { account: accountOf(word >> stakeBits), stake: BigInt.asUintN(Number(stakeBits), word) };
      });
      const next = wordAt(0);
      if (next >> 160n !== 0n || (next !== 0n && count === 0)) {
        throw new BadAnswer("the pool has an answer that is not understood");
      }
      return { members, next: next === 0n ? null : accountOf(next) };
    },
  };
}

function accountOf(word: bigint): Hex {
  return `0x${word.toString(16).padStart(40, "0")}`;
}
