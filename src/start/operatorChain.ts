import type { JsonRpc } from "../chain/jsonRpc.ts";
import { operatorReads } from "../chain/operatorReads.ts";
import { signTypedData } from "../chain/typedData.ts";
import type { ChainConfig } from "../config/config.ts";
import type { OperatorChain } from "../operator/ports.ts";
import { toHex } from "../protocol/bytes.ts";
import { assert } from "../shared/assert.ts";
import type { Account } from "./openAccount.ts";

/** Between which gas prices the node moves, as the operator says now. Wei per gas. */
export type GasBounds = {
  /** What gas is taken to cost at least. */
  min: bigint;
  /** Above it nothing is sent; null = no limit. */
  max: bigint | null;
};

/** The bounds that the configuration begins with. */
export function gasBoundsOf({ minGasPrice, maxGasPrice }: ChainConfig): GasBounds {
  return { min: minGasPrice, max: maxGasPrice };
}

export type OperatorChainParts = {
  readonly config: ChainConfig;
  readonly account: Account;
  readonly rpc: Pick<JsonRpc, "batch">;
  /** 0 while it is not known. */
  readonly chainId: () => bigint;
  /** Changed by the operator; whoever pays looks at it each time. */
  readonly bounds: GasBounds;
  readonly monotonicMs: () => number;
};

/** What the operator port may see of the chain, and change. */
export function operatorChain(parts: OperatorChainParts): OperatorChain {
  const { config, account, bounds } = parts;
  const own = account.identity.account;
  return {
    get chainId() {
      return parts.chainId();
    },
    account: own,
    minGasPrice: () => bounds.min,
    maxGasPrice: () => bounds.max,
    setGasPrices: ({ min, max }) => {
      bounds.min = min;
      bounds.max = max;
    },
    signMessage: (message) => account.identity.sign(message),
    signTypedData: (json) => {
      const key = account.signerKeys.find((signer) => signer.account === toHex(own));
      assert(key !== undefined, "The node's own key is among those that were opened.");
      return signTypedData(json, key.privateKey);
    },
    reads: operatorReads({
      rpc: parts.rpc,
      controller: config.controller,
      account: toHex(own),
      orchestrator: toHex(account.recipient),
      aiServiceRegistry: config.aiServiceRegistry,
      monotonicMs: parts.monotonicMs,
    }),
  };
}
