/*
 * Addresses as operators write them. Pure text work: nothing is resolved or connected to.
 */

/** A host and a port to bind or dial. An empty host means all interfaces. IPv6 hosts carry no brackets. */
export type HostPort = { readonly host: string; readonly port: number };

export type Parsed<Value> =
  { readonly type: "ok"; readonly value: Value } | { readonly type: "bad"; readonly reason: string };

/**
 * Completes an address: empty is the default host and port, `:9000` gets the default host, `h` the default port.
 * Unlike go-livepeer's rule it also completes IPv6 hosts (`[::1]`).
 *
 * Source: go-livepeer cmd/livepeer/starter/starter.go defaultAddr.
 */
export function completeAddress(text: string, defaults: HostPort): Parsed<HostPort> {
  if (text === "") return { type: "ok", value: defaults };
  const bracketed = /^\[([0-9a-fA-F:.%]+)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) return withPort(bracketed[1] ?? "", bracketed[2], defaults);
  const parts = text.split(":");
  if (parts.length > 2) return { type: "bad", reason: `address ${text}: too many colons in address` };
  const [hostText = "", portText] = parts;
  const host = hostText === "" ? defaults.host : hostText;
  if (!isHostName(host) && host !== "") return { type: "bad", reason: `address ${text}: invalid host` };
  return withPort(host, portText, defaults);
}

function withPort(host: string, portText: string | undefined, defaults: HostPort): Parsed<HostPort> {
  if (portText === undefined) return { type: "ok", value: { host, port: defaults.port } };
  const port = parsePort(portText);
  return port === null
    ? { type: "bad", reason: `address ${portText}: invalid port` }
    : { type: "ok", value: { host, port } };
}

/** A TCP port 0 to 65535 in plain digits; null for anything else. 0 asks the system for a free one. */
export function parsePort(text: string): number | null {
  if (!/^\d{1,5}$/.test(text)) return null;
  const port = Number(text);
  return port <= 65_535 ? port : null;
}

/** Host and port for printing and for URLs: IPv6 hosts in brackets. */
export function printHostPort(address: HostPort): string {
  const host = address.host.includes(":") ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}

/** Whether a host is reachable from this machine only. */
export function isLoopbackHost(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** A public address of an orchestrator: scheme, host, port, nothing else. */
export type ServiceUri = {
  /** Without a slash at the end, such as `https://o.example:8935`. */
  readonly text: string;
  readonly isTls: boolean;
  readonly host: string;
  /** Null when none was written. */
  readonly port: number | null;
};

/**
 * Reads `-serviceAddr` or one entry of `-nodes`. Without `http://` or `https://` in front it is https.
 *
 * go-livepeer takes `gopher://x` as `https://gopher://x`; that is refused here, and so are a path, a query and
 * user info, which no gateway uses.
 *
 * Source: go-livepeer cmd/livepeer/starter/starter.go getServiceURI, parseNodes.
 */
export function parseServiceUri(text: string): Parsed<ServiceUri> {
  const full = /^https?:\/\//.test(text) ? text : `https://${text}`;
  const [scheme = "", rest = ""] = [full.slice(0, full.indexOf(":")), full.slice(full.indexOf("//") + 2)];
  const authority = /^[^/?#]*/.exec(rest)?.[0] ?? "";
  const tail = rest.slice(authority.length);
  const quoted = JSON.stringify(full);
  if (authority.includes("@")) return { type: "bad", reason: `parse ${quoted}: user info is not allowed` };
  const badCharacter = /[\s"<>\\^`{|}]/.exec(authority)?.[0];
  if (badCharacter !== undefined) {
    const shown = JSON.stringify(badCharacter);
    return { type: "bad", reason: `parse ${quoted}: invalid character ${shown} in host name` };
  }
  if (tail !== "" && tail !== "/")
    return { type: "bad", reason: `parse ${quoted}: nothing may follow the port` };
  const parsed = splitAuthority(authority, quoted);
  if (parsed.type === "bad") return parsed;
  const uri = { text: `${scheme}://${authority}`, isTls: scheme === "https", ...parsed.value };
  return { type: "ok", value: uri };
}

function splitAuthority(authority: string, quoted: string): Parsed<{ host: string; port: number | null }> {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*))(?::(.*))?$/.exec(authority);
  if (match === null) return { type: "bad", reason: `parse ${quoted}: invalid host` };
  const host = match[1] ?? match[2] ?? "";
  const portText = match[3];
  if (match[1] === undefined && !isHostName(host))
    return { type: "bad", reason: `parse ${quoted}: invalid host` };
  if (portText === undefined) return { type: "ok", value: { host, port: null } };
  const port = parsePort(portText);
  // 0 would mean "any port", which no gateway can dial.
  if (port === null || port === 0) {
    return {
      type: "bad",
      reason: `parse ${quoted}: invalid port ${JSON.stringify(`:${portText}`)} after host`,
    };
  }
  return { type: "ok", value: { host, port } };
}

/** An IPv4 address or a DNS name of plausible form. */
function isHostName(host: string): boolean {
  return /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_.])?$/.test(host);
}

/** What the service port binds, as `-httpAddr` says. `tls` is null when no scheme was written. */
export type HttpAddress = { readonly addressText: string; readonly tls: boolean | null };

/**
 * Takes the scheme off `-httpAddr`. A bare address leaves the choice to the caller (TLS, as with go-livepeer).
 *
 * Source: go-livepeer server/rpc.go parseHTTPAddr, by `-httpAddr` cases of the recorded runs.
 */
export function parseHttpAddress(text: string): Parsed<HttpAddress> {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(text);
  if (scheme === null) return { type: "ok", value: { addressText: text, tls: null } };
  const [, word = "", rest = ""] = scheme;
  const isKnown = word === "http" || word === "https";
  if (!isKnown) return { type: "bad", reason: `unsupported -httpAddr scheme ${JSON.stringify(word)}` };
  const slash = rest.indexOf("/");
  if (slash >= 0 && slash < rest.length - 1)
    return { type: "bad", reason: "-httpAddr must not include a path" };
  return {
    type: "ok",
    value: { addressText: slash < 0 ? rest : rest.slice(0, slash), tls: word === "https" },
  };
}
