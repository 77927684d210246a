import type { MediaFetcher } from "../runtime/ports.ts";
import type { AddressGuard } from "./addressGuard.ts";
import { guardedRequest } from "./guardedRequest.ts";

export type MediaFetcherOptions = {
  readonly guard: AddressGuard;
  /** Our own object store: its URLs may lead to private addresses. */
  readonly trusts: (url: string) => boolean;
  /** Redirects followed, each one checked like the first URL. Default 3. */
  readonly redirectsMax?: number;
  /** Bytes that all fetches together may hold. Default 1 GiB: three segments of the largest size. */
  readonly bytesInFlightMax?: number;
};

/**
 * Reads segments that a gateway names by URL (`Content-Type: application/vnd+livepeer.uri`). Whoever opened a
 * session can name any URL, so only public addresses are asked, unless the URL is in our own store or the
 * operator allowed its network.
 *
 * Certificates are not verified, as in go-livepeer: the bytes are checked against the hash that the gateway
 * signed. Source: video sheet 4.2 step 17; go-livepeer core/os.go.
 */
export function createMediaFetcher(options: MediaFetcherOptions): MediaFetcher {
  const redirectsMax = options.redirectsMax ?? 3;
  const bytesInFlightMax = options.bytesInFlightMax ?? 1024 ** 3;
  let bytesInFlight = 0;

  return {
    async fetch(url, limits) {
      let held = 0;
      try {
        const answer = await guardedRequest(options.guard, {
          url,
          method: "GET",
          headers: {},
          body: [],
          timeoutMs: limits.timeoutMs,
          redirectsMax,
          verifyTls: false,
          trusts: options.trusts,
          wantsBody: (status) => status === 200,
          bytesMax: limits.bytesMax,
          admits(chunkBytes) {
            if (bytesInFlight + chunkBytes > bytesInFlightMax) return false;
            held += chunkBytes;
            bytesInFlight += chunkBytes;
            return true;
          },
        });
        if (answer.type === "refused") return answer;
        if (answer.status !== 200) return { type: "refused", reason: `the server answered ${answer.status}` };
        return { type: "fetched", bytes: answer.body };
      } finally {
        bytesInFlight -= held;
      }
    },
  };
}
