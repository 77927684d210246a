/*
 * What may be said about an RPC endpoint. Its URL often holds a key: as user info, in the path, in the query, and
 * with some providers in the host name. None of that is ever printed.
 */

/** Shorter parts are words such as `rpc` or `v3`; masking those would make texts unreadable. */
const secretMin = 8;

/** `rpc 1 (host)`; without the host when that may hold a key. `index` counts from 0. */
export function endpointName(url: URL, index: number): string {
  const secrets = secretsOf(url);
  const isOpen = !secrets.some((secret) => url.host.includes(secret));
  return isOpen ? `rpc ${index + 1} (${url.host})` : `rpc ${index + 1}`;
}

/** Parts of a URL that providers use as keys. Short words such as `rpc` or `v3` are none. */
export function secretsOf(url: URL): string[] {
  const parts = [url.username, url.password, ...url.pathname.split("/"), ...url.searchParams.values()];
  const spelled = parts
    .flatMap((part) => [part, decodePart(part)])
    .filter((part) => part.length >= secretMin);
  return [...new Set([...spelled, ...url.hostname.split(".").filter(isKeyLike)])];
}

/** Names are words; keys are long and mix digits with letters, or are longer than any name. */
function isKeyLike(label: string): boolean {
  const plain = label.replaceAll("-", "");
  return plain.length >= 40 || (plain.length >= 16 && (plain.match(/\d/g)?.length ?? 0) >= 3);
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
