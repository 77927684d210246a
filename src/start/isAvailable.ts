import { GatewayClient } from "../demo/gatewayClient.ts";
import { errorText } from "../shared/errors.ts";
import type { Logger } from "../telemetry/logger.ts";

const attempts = 3;
const pauseMs = 1_000;
const callTimeoutMs = 8_000;
const challengeBytes = 32;

/**
 * Reaches this node as a gateway would, through its own service address: a node that nobody can reach earns
 * nothing and should say so at once. Unlike the peer it tries more than once.
 *
 * Source: operator sheet 7.4; go-livepeer server/rpc.go CheckOrchestratorAvailability.
 */
export async function isAvailable(serviceUri: string, logger: Logger): Promise<boolean> {
  const client = new GatewayClient({ serviceUri, callTimeoutMs });
  try {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      try {
        await client.ping(crypto.getRandomValues(new Uint8Array(challengeBytes)));
        logger.debug("Reached ourselves by the service address", { serviceUri, attempt });
        return true;
      } catch (error) {
        logger.warn("The node does not answer at its own service address", {
          serviceUri,
          attempt,
          text: errorText(error),
        });
        if (attempt < attempts) await Bun.sleep(pauseMs);
      }
    }
    return false;
  } finally {
    await client.close();
  }
}
