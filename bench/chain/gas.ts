import type { Hex } from "../../src/shared/brand.ts";
import { oneEther, openOfficeWorld, type OfficeWorld } from "../../test/support/chain/officeWorld.ts";
import { isSmall } from "../support.ts";
import type { Figure } from "./benchChain.ts";

/*
 * Gas of redemption as the node's own transactions use it, from their receipts on the local chain.
 */

/** Gas of go-livepeer's redemption of a ticket, and of a batch, on Livepeer's contracts. Source: chain sheet 11.5. */
const peerSingle = 198_000;
const lawBase = 134_600;
const lawEach = 80_550;
const wanted: Readonly<Record<number, number>> = { 5: 0.6, 20: 0.45 };

/** Wins so many tickets at once and returns what each transaction that redeemed them has used. */
async function gasOf(world: OfficeWorld, sender: Awaited<ReturnType<OfficeWorld["gateway"]>>, count: number) {
  const hashes: readonly Hex[] = await world.win(sender, count, { faceValue: oneEther / 10_000n });
  await world.until("redeemed", ...hashes);
  return world.planned().flatMap(({ stream, tickets }) => {
    if (!tickets.some((hash) => hashes.includes(hash))) return [];
    const mined = world.events(stream).find(({ type }) => type === "TransactionMined");
    return [{ tickets: tickets.length, gas: Number(mined?.["gasUsed"] ?? 0n) }];
  });
}

/** @returns a row for each size of a batch */
export async function gas(): Promise<readonly Figure[]> {
  await using world = await openOfficeWorld({ devChain: { roundLength: 400n } });
  const sender = await world.gateway();
  const [first] = await gasOf(world, sender, 1);
  let singles = 0;
  const repeats = isSmall ? 1 : 5;
  for (let done = 0; done < repeats; done += 1) singles += (await gasOf(world, sender, 1))[0]?.gas ?? 0;
  const single = singles / repeats;
  const lines: Figure[] = [
    ["gas of a ticket by itself, first of a round", String(first?.gas)],
    [`gas of a ticket by itself (go-livepeer ${peerSingle})`, single.toFixed(0)],
  ];
  for (const count of isSmall ? [2, 5, 20] : [2, 5, 20, 40]) {
    const [batch, ...others] = await gasOf(world, sender, count);
    if (batch === undefined || batch.tickets !== count || others.length > 0) {
      throw new Error(`${count} tickets were not redeemed in one transaction.`);
    }
    const ratio = batch.gas / (count * single);
    const ratioOfLaw = (lawBase + lawEach * count) / (count * peerSingle);
    const limit = wanted[count];
    lines.push([
      `gas of ${count} in a batch ÷ ${count} by themselves`,
      `${batch.gas} = ${ratio.toFixed(2)} × (${limit === undefined ? "" : `wanted ≤ ${limit}; `}` +
        `Livepeer's own contracts ${ratioOfLaw.toFixed(2)})`,
    ]);
    if (limit !== undefined && ratio > limit) throw new Error(`A batch of ${count} is too dear.`);
  }
  return lines;
}
