/**
 * A block number as a table holds it. Blocks are far below 2⁵³; one that is not is kept at the end of the range: no
 * number may stop a commit.
 */
export function storedBlock(block: bigint): number {
  const max = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(block > max ? max : block < -max ? -max : block);
}
