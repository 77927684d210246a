import { parseServiceUri } from "../config/addresses.ts";
import type { Parsed } from "./amounts.ts";

/** Longest address that is stored: gateways keep it in a database and in log lines. */
const uriCharsMax = 300;

/**
 * An address that gateways shall find in the registry. `https` is put in front when no scheme is there. Unlike with
 * go-livepeer, which only looks for `0.0.0.0`, another scheme than https and a missing port are refused.
 *
 * Source: go-livepeer server/handlers.go setServiceURI by its text; chain sheet 5, check 20.
 */
export function parseRegistryUri(text: string): Parsed<string> {
  if (text.includes("0.0.0.0")) {
    return { type: "bad", text: "service address must be a public IP address or hostname" };
  }
  if (text.length > uriCharsMax)
    return { type: "bad", text: `the address has more than ${uriCharsMax} characters.` };
  if (/^http:\/\//i.test(text)) {
    return { type: "bad", text: "the address must begin with https://: gateways speak TLS to it." };
  }
  const parsed = parseServiceUri(text);
  if (parsed.type === "bad") return { type: "bad", text: `${parsed.reason}.` };
  const { port } = parsed.value;
  if (port === null) {
    return { type: "bad", text: "the address needs its port, such as https://o.example:8935." };
  }
  return { type: "ok", value: parsed.value.text };
}

/** Whether only this machine reaches an address: good on a chain of one's own, useless on a public one. */
export function isLoopbackUri(uri: string): boolean {
  const host = URL.canParse(uri) ? new URL(uri).hostname.replace(/^\[|\]$/g, "") : "";
  return /^(localhost|127\.[\d.]+|::1|::|)$/i.test(host);
}
