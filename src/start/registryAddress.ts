import { serviceRegistryAbi } from "../chain/abi.ts";
import { readAnswer, viewOf } from "../chain/contractView.ts";
import type { RpcAnswer, RpcCall } from "../chain/jsonRpc.ts";
import { parseServiceUri } from "../config/addresses.ts";
import type { Hex } from "../shared/brand.ts";
import type { Logger } from "../telemetry/logger.ts";

/* What the registry tells gateways, beside what the node is told: the one that is missing is taken from the other. */

/** Until the registry was read once: after the first try, and doubled after each further one. Milliseconds. */
const retryMs = 1_000;
/** An operator may store another address while the node runs. Milliseconds. */
const againMs = 3_600_000;

export type RegistryAddressOptions = {
  /** The address that is stored, "" for none; null when that cannot be read now. Never rejects. */
  readonly read: () => Promise<string | null>;
  /** Whether the chain can be read now: an endpoint that is down is not asked for this. */
  readonly isReadable: () => boolean;
  /** What `-serviceAddr` says; null = nothing, so that the registry decides what gateways are told. */
  readonly configured: string | null;
  /** Where the node listens. */
  readonly port: number;
  /** Gateways shall be told this address from now on. */
  readonly onAddress: (serviceUri: string) => void;
  readonly logger: Pick<Logger, "info" | "warn">;
};

/**
 * Looks once at the registry as soon as the chain can be read, and then now and then. Without `-serviceAddr` gateways
 * are told what is stored there; with it a difference is told to the operator, since gateways that read the registry
 * go elsewhere.
 *
 * Source: go-livepeer cmd/livepeer/starter/starter.go getServiceURI; chain sheet 5, check 22.
 */
export function followRegistry(options: RegistryAddressOptions): Disposable {
  let timer: ReturnType<typeof setTimeout>;
  let isOver = false;
  let last: string | null = null;
  let waitMs = retryMs;
  const look = async (): Promise<void> => {
    const isReadable = options.isReadable();
    const stored = isReadable ? await options.read() : null;
    if (isOver) return;
    if (stored !== null && stored !== last) judge(options, stored);
    last = stored ?? last;
    if (last !== null) waitMs = againMs;
    plan(waitMs);
    // Whoever cannot be asked yet is asked soon after he can be.
    if (isReadable) waitMs = Math.min(2 * waitMs, againMs);
  };
  const plan = (ms: number): void => {
    timer = setTimeout(() => void look(), ms);
    timer.unref();
  };
  plan(0);
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      clearTimeout(timer);
    },
  };
}

function judge({ configured, port, onAddress, logger }: RegistryAddressOptions, stored: string): void {
  const set = "bun run cli set-service-uri";
  if (stored === "") {
    // Somebody may just be about to register.
    logger.info("The service registry has no address of ours: gateways cannot find us by it", { set });
    return;
  }
  const parsed = parseServiceUri(stored);
  if (configured !== null) {
    const isSame = stored === configured || (parsed.type === "ok" && parsed.value.text === configured);
    if (isSame) return;
    logger.warn("The service registry has another address than -serviceAddr", { stored, configured, set });
    return;
  }
  if (parsed.type === "bad" || parsed.value.port === null) {
    logger.warn("The address in the service registry is none that a gateway could use", { stored, set });
    return;
  }
  const { text } = parsed.value;
  logger.info("Gateways are told the address in the service registry", { serviceUri: text });
  onAddress(text);
  if (parsed.value.port === port) return;
  // go-livepeer's words, which operators may search for.
  logger.warn(
    `Service address ${text} did not match discovered address: this node listens on port ${port}; ` +
      "set the correct address in livepeer_cli or use -serviceAddr",
  );
}

/** How the address of `account` is read. */
export function registryReader({
  registry,
  rpc,
  account,
}: {
  /** The registry that counts: the zero address when the chain has none, null when that is not known yet. */
  readonly registry: () => Promise<Hex | null>;
  readonly rpc: { batch(calls: readonly RpcCall[]): Promise<readonly RpcAnswer[]> };
  readonly account: Hex;
}): RegistryAddressOptions["read"] {
  return async () => {
    const address = await registry();
    if (address === null) return null;
    if (BigInt(address) === 0n) return "";
    const view = viewOf(serviceRegistryAbi, address, "getServiceURI", [account]);
    const [answer] = await rpc.batch([view.call]);
    const read = readAnswer(view, answer);
    return read.type === "read" ? read.value : null;
  };
}
