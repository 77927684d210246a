/** What a browser says about where a request comes from. */
export type RequestOrigin = {
  readonly host: string | null;
  readonly origin: string | null;
  readonly referer: string | null;
  readonly secFetchSite: string | null;
};

/** Paths that show nothing an attacker could use and that monitoring reads under whatever name the machine has. */
const openPaths: ReadonlySet<string> = new Set(["/metrics", "/healthz"]);

/**
 * Why a request is refused, or null. The operator port has no password and GET requests change things, so that a
 * web page in the operator's browser must not reach it:
 * - a page of another site is betrayed by `Origin`, `Sec-Fetch-Site` or `Referer`;
 * - a page whose own name was pointed at this machine (DNS rebinding) is betrayed by its name in `Host`: only IP
 *   addresses, `localhost`, names without a dot (containers) and the bound host are ours.
 *
 * Source: operator sheet 10.5; go-livepeer checks nothing.
 */
export function refusalOf(request: RequestOrigin, path: string, bindHost: string): string | null {
  if (request.origin !== null && !isSameHost(request.origin, request.host)) return "foreign Origin";
  if (
    request.secFetchSite !== null &&
    request.secFetchSite !== "same-origin" &&
    request.secFetchSite !== "none"
  ) {
    return "request from another site";
  }
  if (request.referer !== null && !isSameHost(request.referer, request.host)) return "foreign Referer";
  if (request.host === null || openPaths.has(path) || isOwnHost(request.host, bindHost)) return null;
  return "foreign Host";
}

function isSameHost(url: string, host: string | null): boolean {
  return host !== null && URL.canParse(url) && new URL(url).host.toLowerCase() === host.toLowerCase();
}

function isOwnHost(hostHeader: string, bindHost: string): boolean {
  const host = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(hostHeader)?.[1]?.toLowerCase();
  if (host === undefined || host === "") return false;
  if (host.startsWith("[") || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host)) return true;
  return !host.includes(".") || host.endsWith(".localhost") || host === bindHost.toLowerCase();
}
