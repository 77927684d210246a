import type { Hex } from "../shared/brand.ts";

/** The name that stands for "no chain". */
export const offchainNetwork = "offchain";

/** What a network's name stands for. */
export type Network = {
  /** Lower-case; null when only `-ethController` can name it. */
  readonly controller: Hex | null;
  /** Wei per gas when `-minGasPrice` is unset. */
  readonly minGasPrice: bigint;
  /** Gas that the redemption of one ticket is taken to cost. */
  readonly redeemGas: bigint;
  /** Service registry of the AI network, which no Controller knows; null where there is none. */
  readonly aiServiceRegistry: Hex | null;
};

const arbitrumRedeemGas = 1_200_000n;
const otherRedeemGas = 350_000n;

const networks: Readonly<Record<string, Network>> = {
  "arbitrum-one-mainnet": {
    controller: "0xd8e8328501e9645d16cf49539efc04f734606ee4",
    minGasPrice: 0n,
    redeemGas: arbitrumRedeemGas,
    aiServiceRegistry: "0x04c0b249740175999e5bf5c9ac1da92431ef34c5",
  },
  mainnet: {
    controller: "0xf96d54e490317c557a967abfa5d6e33006be69b3",
    minGasPrice: 1_000_000_000n,
    redeemGas: otherRedeemGas,
    aiServiceRegistry: null,
  },
  "arbitrum-one-rinkeby": {
    controller: "0x9cec649179e2c7ab91688271bcd09fb707b3e574",
    minGasPrice: 0n,
    redeemGas: arbitrumRedeemGas,
    aiServiceRegistry: null,
  },
  rinkeby: {
    controller: "0x9a9827455911a858e55f07911904facc0d66027e",
    minGasPrice: 0n,
    redeemGas: otherRedeemGas,
    aiServiceRegistry: null,
  },
};

/**
 * The defaults of a network; any other name is a chain of the operator's own.
 *
 * Source: go-livepeer cmd/livepeer/starter/starter.go StartLivepeer; chain sheet 1.6.
 */
export function networkOf(name: string): Network {
  const own: Network = {
    controller: null,
    minGasPrice: 0n,
    redeemGas: otherRedeemGas,
    aiServiceRegistry: null,
  };
  return Object.hasOwn(networks, name) ? (networks[name] ?? own) : own;
}
