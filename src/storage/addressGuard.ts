import { lookup } from "node:dns/promises";
import { BaseError } from "../shared/errors.ts";
import { inNetwork, type IpNetwork, isPublicAddress, parseIpAddress, parseIpNetwork } from "./ipAddress.ts";

/** All addresses of a host name, in the order of preference. Rejects when there is none. */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

/** Where a URL leads, looked up once: connect to these addresses and to no other. */
export type GuardVerdict =
  | { readonly type: "permitted"; readonly addresses: readonly string[] }
  | { readonly type: "refused"; readonly reason: string };

export type AddressGuard = {
  /**
   * Resolves the host of `url` and keeps the addresses that a peer may make us talk to. A `trusted` URL (our
   * own object store) keeps all of them.
   */
  check(url: URL, trusted: boolean): Promise<GuardVerdict>;
};

export type AddressGuardOptions = {
  /**
   * Ranges permitted although they are not public, such as `10.1.0.0/16`: for stores in the operator's
   * network.
   */
  readonly allowNetworks?: readonly string[];
  /** How names are resolved; the system's resolver when absent. */
  readonly resolveHost?: ResolveHost;
};

/**
 * The gate before every connection that a peer asks for. Names are resolved here and the caller connects to
 * the returned addresses, so that a second look-up cannot lead elsewhere.
 *
 * @throws AddressRangeError when an entry of `allowNetworks` is no address range
 */
export function createAddressGuard(options: AddressGuardOptions = {}): AddressGuard {
  const allowed = (options.allowNetworks ?? []).map(parsedRange);
  const resolveHost = options.resolveHost ?? systemResolver;

  const permits = (address: string): boolean => {
    const bytes = parseIpAddress(address);
    if (bytes === null) return false;
    return isPublicAddress(bytes) || allowed.some((range) => inNetwork(bytes, range));
  };

  return {
    async check(url, trusted) {
      if (!trusted && unsafePorts.has(url.port)) return refused(`port ${url.port} is not used for HTTP`);
      const literal = literalAddress(url.hostname);
      const addresses = literal === null ? await resolved(resolveHost, url.hostname) : [literal];
      if (addresses.length === 0) return refused("the host name has no address");
      const usable = addresses.filter((address) => trusted || permits(address)).slice(0, addressesMax);
      return usable.length > 0
        ? { type: "permitted", addresses: usable }
        : refused("the host is in a private or reserved network");
    },
  };
}

/** An entry of `allowNetworks` that cannot be read. */
export class AddressRangeError extends BaseError {
  constructor(text: string) {
    super("An allowed network is not an address range.", {
      code: "ADDRESS_RANGE_INVALID",
      disposition: "halt",
      action: "Write it as `10.0.0.0/8`, `fd00::/8` or a single address.",
      meta: { text },
    });
  }
}

/** More would only multiply the connection attempts that one URL costs us. */
const addressesMax = 4;

/**
 * Ports of services that answer plain text or are dangerous to talk to: a form post must not become mail or a
 * database command. Source: the "bad port" list of the WHATWG Fetch standard, plus Redis and memcached.
 */
const unsafePorts: ReadonlySet<string> = new Set(
  (
    "1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 " +
    "113 115 117 119 123 135 137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 " +
    "540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3659 4045 4190 5060 " +
    "5061 6000 6379 6566 6665 6666 6667 6668 6669 6679 6697 10080 11211"
  ).split(" "),
);

function parsedRange(text: string): IpNetwork {
  const range = parseIpNetwork(text);
  if (range === null) throw new AddressRangeError(text);
  return range;
}

/**
 * The address when the URL names one instead of a host. The URL parser has already undone forms like
 * `0x7f.1`.
 */
function literalAddress(hostname: string): string | null {
  const bare = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  return parseIpAddress(bare) === null ? null : bare;
}

async function resolved(resolveHost: ResolveHost, hostname: string): Promise<readonly string[]> {
  try {
    return await resolveHost(hostname);
  } catch {
    return [];
  }
}

async function systemResolver(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map((entry) => entry.address);
}

function refused(reason: string): GuardVerdict {
  return { type: "refused", reason };
}
