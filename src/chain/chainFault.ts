/** Networks whose id is known. Source: chain sheet 1.6. */
const networkIds: ReadonlyMap<string, bigint> = new Map([
  ["arbitrum-one-mainnet", 42161n],
  ["mainnet", 1n],
  ["arbitrum-one-rinkeby", 421611n],
  ["rinkeby", 4n],
]);

/**
 * What is wrong with a chain; null when it may be the right one.
 *
 * @param id - what the endpoint serves
 * @param expected - the chain that this node was on before, or that its data folder belongs to; null for none yet
 * @param network - `-network`: a name that is known goes with one id
 */
export function chainFault(id: bigint, expected: bigint | null, network: string): string | null {
  // The words of go-livepeer, which operators may search for.
  if (expected !== null && id !== expected) {
    return (
      `expecting chainID of ${expected}, but got ${id}. ` +
      "Did you change networks without changing network name or datadir?"
    );
  }
  const named = networkIds.get(network);
  if (named === undefined || id === named) return null;
  return `network ${network} is the chain ${named}, but the RPC serves the chain ${id}`;
}
