/** No block of a chain that we know holds more; nodes refuse a transaction that wants it, and its nonce stays taken. */
const gasMax = 30_000_000n;

/**
 * The gas limit of a call that has failed `failures` times: half as much more each time, up to three times, because
 * what ran dry before must not run dry again.
 */
export function roomierGas(gasLimit: bigint, failures: number): bigint {
  const wanted = (gasLimit * BigInt(2 + Math.min(failures, 4))) / 2n;
  if (wanted <= gasMax) return wanted;
  return gasLimit > gasMax ? gasLimit : gasMax;
}
