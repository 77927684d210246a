/**
 * What one call of the operator's hook brought. `noAnswer` texts are our own words and safe for strangers.
 */
export type HookReply =
  | { readonly type: "reply"; readonly status: number; readonly body: string }
  | { readonly type: "noAnswer"; readonly text: string; readonly cause: string };

/**
 * Where to post: the URL without its credentials, and the header made of them. Both are the operator's
 * secrets.
 */
export type HookTarget = { readonly url: string; readonly authorization: string | null };

/**
 * Reads `-authWebhookUrl`.
 *
 * @returns the target, or the text that follows `Error setting auth webhook URL ` in the start-up error
 */
export function parseHookUrl(text: string): HookTarget | { readonly error: string } {
  const url = URL.parse(text);
  const isAbsolute = /^[a-z][a-z0-9+.-]*:/i.test(text) && url !== null;
  if (!isAbsolute && !text.startsWith("/")) return { error: `parse "${text}": invalid URI for request` };
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    return { error: "URL should be HTTP or HTTPS" };
  }
  const authorization = basicAuthorization(url);
  url.username = "";
  url.password = "";
  url.hash = "";
  return { url: url.href, authorization };
}

/**
 * Posts a JSON body and follows redirects as go-livepeer's client does: up to 10 requests, a GET without body
 * after 301, 302 and 303. Credentials go only to the origin that the operator named. Never rejects.
 */
export async function postToHook(target: HookTarget, json: string, signal: AbortSignal): Promise<HookReply> {
  try {
    return await exchange(target, json, signal);
  } catch (error) {
    const cause = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    if (signal.aborted) return { type: "noAnswer", text: "the webhook did not answer in time", cause };
    return { type: "noAnswer", text: "the webhook cannot be reached", cause };
  }
}

const requestsMax = 10;
/** Far above any answer that makes sense; the rest is not read. */
const bodyBytesMax = 65_536;

async function exchange(target: HookTarget, json: string, signal: AbortSignal): Promise<HookReply> {
  let url = target.url;
  let method: "POST" | "GET" = "POST";
  for (let count = 1; count <= requestsMax; count += 1) {
    const response = await fetch(url, {
      method,
      headers: headersFor(url, method, target),
      redirect: "manual",
      // A kept connection may die between two calls; Bun would then report the call as failed.
      keepalive: false,
      signal,
      ...(method === "POST" ? { body: json } : {}),
    });
    const location = response.headers.get("location");
    if (!isRedirect(response.status) || location === null) {
      const body = await boundedText(response);
      if (body === null) {
        return {
          type: "noAnswer",
          text: "the webhook's answer is too long",
          cause: `over ${bodyBytesMax} bytes`,
        };
      }
      return { type: "reply", status: response.status, body };
    }
    await response.body?.cancel();
    const next = URL.parse(location, url);
    if (next === null || (next.protocol !== "http:" && next.protocol !== "https:")) {
      return { type: "noAnswer", text: "the webhook redirects to no HTTP URL", cause: "bad Location" };
    }
    url = next.href;
    if (response.status < 307) method = "GET";
  }
  return { type: "noAnswer", text: `stopped after ${requestsMax} redirects`, cause: "redirect loop" };
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function headersFor(url: string, method: "POST" | "GET", target: HookTarget): Record<string, string> {
  const headers: Record<string, string> = { "User-Agent": "Reprise" };
  if (method === "POST") headers["Content-Type"] = "application/json";
  const isHome = new URL(url).origin === new URL(target.url).origin;
  if (target.authorization !== null && isHome) headers["Authorization"] = target.authorization;
  return headers;
}

/** The body as text, or null when it is longer than the limit. */
async function boundedText(response: Response): Promise<string | null> {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    bytes += part.value.length;
    if (bytes > bodyBytesMax) {
      await reader.cancel();
      return null;
    }
    chunks.push(part.value);
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(chunks));
}

function basicAuthorization(url: URL): string | null {
  if (url.username === "" && url.password === "") return null;
  const decode = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  const pair = `${decode(url.username)}:${decode(url.password)}`;
  return `Basic ${Buffer.from(pair, "utf8").toString("base64")}`;
}
