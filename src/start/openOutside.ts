import type { Config } from "../config/config.ts";
import type { Edge, GatewayAuthorizer, MediaFetcher, ObjectStore } from "../runtime/ports.ts";
import { createAddressGuard } from "../storage/addressGuard.ts";
import { createMediaFetcher } from "../storage/mediaFetcher.ts";
import { createObjectStore } from "../storage/objectStore.ts";
import { type OwnStoreConfig, parseObjectStoreUrl } from "../storage/ownStore.ts";
import type { Logger } from "../telemetry/logger.ts";
import { createAuthWebhook } from "../webhooks/authWebhook.ts";
import { parseHookUrl } from "../webhooks/hookRequest.ts";
import { StartError } from "./startError.ts";

/** What the node reads and writes outside itself by HTTP. */
export type Outside = {
  readonly objectStore: ObjectStore;
  readonly mediaFetcher: MediaFetcher;
  readonly authorizer: GatewayAuthorizer | null;
};

/** Opens stores, the fetcher and the operator's webhook as configured. Throws {@link StartError}. */
export function openOutside(
  config: Config,
  edge: Edge,
  logger: Logger,
  allowNetworks: readonly string[],
): Outside {
  const guard = createAddressGuard({ allowNetworks });
  const objectStore = createObjectStore({
    guard,
    own: ownStoreOf(config),
    nowMs: edge.nowMs,
    onOwnFailure: (text) => logger.error("The object store refused an upload", { text }),
  });
  return {
    objectStore,
    mediaFetcher: createMediaFetcher({ guard, trusts: (url) => objectStore.own?.owns(url) ?? false }),
    authorizer: authorizerOf(config, edge),
  };
}

function ownStoreOf(config: Config): OwnStoreConfig | null {
  const url = config.storage.objectStoreUrl;
  if (url === null) return null;
  const parsed = parseObjectStoreUrl(url.reveal());
  if (parsed.type === "store") return parsed.config;
  throw new StartError(`Error creating object store driver: ${parsed.text}.`, "Correct `-objectStore`.");
}

function authorizerOf(config: Config, edge: Edge): GatewayAuthorizer | null {
  const url = config.node.authWebhookUrl;
  if (url === null) return null;
  const target = parseHookUrl(url.reveal());
  if ("error" in target) {
    throw new StartError(`Error setting auth webhook URL ${target.error}.`, "Correct `-authWebhookUrl`.");
  }
  return createAuthWebhook({ target, nowMs: edge.nowMs });
}
