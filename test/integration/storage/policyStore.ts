import { bodyOf, type Fixture, httpServer } from "./httpFixtures.ts";

/*
 * A small object store that takes form posts the way S3 does, written against Amazon's description and
 * without any code of ours: HMAC by WebCrypto, the form read by the runtime's own parser. It refuses
 * whatever the policy does not allow, so that a wrong signature, field or key cannot pass a test.
 */

export type StoredObject = { readonly bytes: Uint8Array; readonly contentType: string; readonly acl: string };

export type PolicyStore = Fixture & {
  readonly objects: ReadonlyMap<string, StoredObject>;
  /** Names of the form's fields in the order in which they came, one list per accepted post. */
  readonly fieldOrders: readonly string[][];
};

/** Serves one bucket at `/<bucket>`: POST stores, GET reads. */
export async function policyStore(options: {
  readonly bucket: string;
  readonly secretKey: string;
  readonly region: string;
}): Promise<PolicyStore> {
  const objects = new Map<string, StoredObject>();
  const fieldOrders: string[][] = [];
  const fixture = await httpServer(async (request, response) => {
    const path = decodeURIComponent(request.url ?? "/");
    const body = await bodyOf(request);
    if (request.method === "GET") {
      const found = objects.get(path.slice(`/${options.bucket}/`.length));
      if (found === undefined) response.writeHead(404).end();
      else response.writeHead(200, { "Content-Type": found.contentType }).end(found.bytes);
      return;
    }
    try {
      if (path.replace(/\/$/, "") !== `/${options.bucket}`) throw new Error(`NoSuchBucket ${path}`);
      const stored = await accept(body, request.headers["content-type"] ?? "", options);
      objects.set(stored.key, stored.object);
      fieldOrders.push(stored.order);
      response.writeHead(204).end();
    } catch (error) {
      response.writeHead(403, { "Content-Type": "application/xml" });
      response.end(`<Error><Message>${error instanceof Error ? error.message : ""}</Message></Error>`);
    }
  });
  return { ...fixture, objects, fieldOrders };
}

async function accept(
  body: Buffer,
  contentType: string,
  options: { readonly bucket: string; readonly secretKey: string; readonly region: string },
): Promise<{ key: string; object: StoredObject; order: string[] }> {
  const order = Array.from(
    body.toString("latin1").matchAll(/form-data; name="([^"]+)"/g),
    (match) => match[1] ?? "",
  );
  if (order.at(-1) !== "file") throw new Error("the file is not the last field");
  const form = await new Response(new Uint8Array(body), {
    headers: { "Content-Type": contentType },
  }).formData();
  const file = form.get("file");
  if (!(file instanceof File)) throw new Error("the file is no file");
  const field = (name: string): string => {
    const value: unknown = form.get(name);
    if (typeof value !== "string") throw new Error(`field ${name} is missing`);
    return value;
  };
  const key = field("key").replaceAll("\x24{filename}", file.name);
  const values = new Map(
    order.filter((name) => name !== "file").map((name) => [name.toLowerCase(), field(name)]),
  );
  values.set("key", key);
  values.set("bucket", options.bucket);

  const policyText = field("policy");
  const expected = await signature(policyText, field("x-amz-credential"), options);
  if (expected !== field("x-amz-signature")) throw new Error("SignatureDoesNotMatch");
  checkPolicy(JSON.parse(atob(policyText)), values, file.size);
  const bytes = new Uint8Array(await file.arrayBuffer());
  return { key, order, object: { bytes, contentType: field("Content-Type"), acl: field("acl") } };
}

function checkPolicy(
  policy: { expiration: string; conditions: unknown[] },
  values: ReadonlyMap<string, string>,
  size: number,
): void {
  if (!(Date.parse(policy.expiration) > Date.now())) throw new Error("policy expired");
  const covered = new Set(["policy", "x-amz-signature"]);
  for (const condition of policy.conditions) {
    if (!Array.isArray(condition)) {
      for (const [name, wanted] of Object.entries(condition as Record<string, string>)) {
        covered.add(name.toLowerCase());
        if (values.get(name.toLowerCase()) !== wanted) throw new Error(`policy: ${name}`);
      }
      continue;
    }
    const [operator, first, second] = condition as [string, string | number, string | number];
    if (operator === "content-length-range") {
      if (size < Number(first) || size > Number(second)) throw new Error("EntityTooLarge");
      continue;
    }
    const name = String(first).slice(1).toLowerCase();
    covered.add(name);
    const value = values.get(name) ?? "";
    const holds = operator === "starts-with" ? value.startsWith(String(second)) : value === String(second);
    if (!holds) throw new Error(`policy: ${operator} ${name}`);
  }
  for (const name of values.keys()) {
    if (!covered.has(name)) throw new Error(`extra field ${name}`);
  }
}

async function signature(
  text: string,
  credential: string,
  options: { readonly secretKey: string; readonly region: string },
): Promise<string> {
  const [, day = "", region = "", service = "", end = ""] = credential.split("/");
  if (region !== options.region || service !== "s3" || end !== "aws4_request")
    throw new Error("bad credential scope");
  let key: Uint8Array<ArrayBuffer> = new TextEncoder().encode(`AWS4${options.secretKey}`);
  for (const part of [day, region, service, end, text]) {
    const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, [
      "sign",
    ]);
    key = new Uint8Array(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(part)));
  }
  return key.toHex();
}
