/** An address text that was read, or why it was refused. */
export type AddressOutcome<T> =
  { readonly type: "address"; readonly value: T } | { readonly type: "bad"; readonly text: string };

/** A base URL under which peers reach a node. */
export type ServiceAddress = {
  /** Scheme, host, port and perhaps a path; never a slash at the end. Empty = none. */
  readonly uri: string;
  /** Host without brackets; empty = none. */
  readonly host: string;
  /** Null when the URL does not name one. */
  readonly port: number | null;
  readonly tls: boolean;
};

/** Where a listener binds. */
export type BindAddress = {
  /** Empty = all interfaces. Without brackets. */
  readonly host: string;
  /** Null when the text does not name one. */
  readonly port: number | null;
  readonly tls: boolean;
};

/**
 * Reads `-serviceAddr`: `https://` is put before a bare address, `none` means no service here. Trailing slashes
 * go (the peer keeps them and then serves `//stream/…`). Queries, user names and other schemes are refused (the
 * peer makes `https://ftp://h` of them).
 * Source: operator sheet 2 `serviceAddr`; video sheet 16.24.
 */
export function parseServiceAddress(flag: string): AddressOutcome<ServiceAddress> {
  if (flag === "none") return { type: "address", value: { uri: "", host: "", port: null, tls: true } };
  const text = flag.trim();
  const full = /^https?:\/\//i.test(text) ? text : `https://${text}`;
  const parts = urlPattern.exec(full);
  const authority = parseAuthority(parts?.[2] ?? "");
  if (parts === null || authority === null || authority.host === "" || !URL.canParse(full)) {
    return { type: "bad", text: `\`${flag}\` is no service address: use https://host:port` };
  }
  const scheme = (parts[1] ?? "").toLowerCase();
  const path = (parts[3] ?? "").replace(/\/+$/, "");
  const { host, port } = authority;
  return {
    type: "address",
    value: { uri: `${scheme}://${parts[2] ?? ""}${path}`, host, port, tls: scheme === "https" },
  };
}

/**
 * Reads `-nodes`: service URLs separated by commas, all of them https.
 * Source: operator sheet 2 `nodes`.
 */
export function parseNodes(flag: string): AddressOutcome<readonly string[]> {
  const uris: string[] = [];
  for (const part of flag.split(",")) {
    const text = part.trim();
    if (text === "") continue;
    const node = parseServiceAddress(text);
    if (node.type === "bad" || !node.value.tls || node.value.uri === "") {
      const full = text.startsWith("https://") ? text : `https://${text}`;
      return { type: "bad", text: `Could not parse instance URI '${full}'` };
    }
    uris.push(node.value.uri);
  }
  return uris.length === 0 ? { type: "bad", text: "instances empty" } : { type: "address", value: uris };
}

/**
 * Reads `-httpAddr`: `host:port`, `:port`, and the same behind `https://` (TLS) or `http://` (clear text). The
 * refusals are the peer's texts where it has one.
 * Source: operator sheet 2 `httpAddr`; video sheet 2.
 */
export function parseHttpAddress(flag: string): AddressOutcome<BindAddress> {
  const [, scheme, rest] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(.*)$/s.exec(flag) ?? [null, "https", flag];
  const name = (scheme ?? "").toLowerCase();
  if (name !== "http" && name !== "https")
    return { type: "bad", text: `unsupported -httpAddr scheme "${name}"` };
  const [, authorityText, path] = /^([^/]*)(.*)$/s.exec(rest ?? "") ?? [];
  const authority = parseAuthority(authorityText ?? "");
  if (authority === null) return { type: "bad", text: `\`${flag}\` is no -httpAddr: use host:port` };
  if (path !== "" && path !== "/") return { type: "bad", text: "-httpAddr must not include a path" };
  if (authority.host === "" && authority.port === null) {
    return { type: "bad", text: `\`${flag}\` names neither host nor port for -httpAddr` };
  }
  return { type: "address", value: { ...authority, tls: name === "https" } };
}

/**
 * Completes an address text with a default host and port: `` → both, `:1` → host, `h` → port. Unlike the peer
 * it knows IPv6: `[::1]` gets the port too.
 * Source: operator sheet 1, address completion.
 */
export function completeAddress(text: string, defaultHost: string, defaultPort: number): string {
  if (text === "") return `${defaultHost}:${defaultPort}`;
  if (text.startsWith(":")) return `${defaultHost}${text}`;
  if (/^\[[^\]]*\]$/.test(text) || !text.includes(":")) return `${text}:${defaultPort}`;
  return text;
}

/** The text of a bind address: `host:port`, brackets around IPv6. */
export function bindText({ host, port }: Pick<BindAddress, "host" | "port">): string {
  const shown = host.includes(":") ? `[${host}]` : host;
  return port === null ? shown : `${shown}:${port}`;
}

const urlPattern = /^(https?):\/\/([^/?#@\s\\]+)(\/[^?#\s\\]*)?$/i;

/** Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`; null when it is none of these. */
function parseAuthority(text: string): { readonly host: string; readonly port: number | null } | null {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]*))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const port = match[3] === undefined ? null : Number(match[3]);
  if (port !== null && port > 65_535) return null;
  return { host: match[1] ?? match[2] ?? "", port };
}
