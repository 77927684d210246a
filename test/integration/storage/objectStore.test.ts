import { afterEach, describe, expect, test } from "bun:test";
import type { ForeignBucket } from "../../../src/runtime/ports.ts";
import { createAddressGuard } from "../../../src/storage/addressGuard.ts";
import { createMediaFetcher } from "../../../src/storage/mediaFetcher.ts";
import { createObjectStore } from "../../../src/storage/objectStore.ts";
import { parseObjectStoreUrl } from "../../../src/storage/ownStore.ts";
import { createPostPolicy } from "../../../src/storage/postPolicy.ts";
import { bodyOf, closeFixtures, httpServer, rawServer, selfSigned, tlsServer } from "./httpFixtures.ts";
import { policyStore } from "./policyStore.ts";

/*
 * Goal: renditions reach a gateway's bucket and our own by form posts that a strict store accepts, and
 * nothing that a store or a grant says can hang, leak or lead elsewhere. The store of `policyStore.ts`
 * checks signature, policy and fields by code of its own.
 */

const account = { bucket: "clips", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfi", region: "us-east-1" };
const media = new TextEncoder().encode("rendition");
const loopback = createAddressGuard({ allowNetworks: ["127.0.0.1/32"] });

function store(options: Partial<Parameters<typeof createObjectStore>[0]> = {}) {
  return createObjectStore({ guard: loopback, own: null, nowMs: Date.now, ...options });
}

function grantOf(
  origin: string,
  options: { key?: string; secretKey?: string; nowMs?: number } = {},
): ForeignBucket {
  return createPostPolicy({
    signer: {
      type: "s3",
      region: "us-east-1",
      accessKey: "AK",
      secretKey: options.secretKey ?? account.secretKey,
    },
    host: `${origin}/clips`,
    bucket: "clips",
    key: options.key ?? "stream/ab12",
    nowMs: options.nowMs ?? Date.now(),
  });
}

afterEach(closeFixtures);

describe("a gateway's S3 bucket", () => {
  test("takes a rendition; the URL leads to the same bytes", async () => {
    const remote = await policyStore(account);
    const saved = await store().saveForeign(grantOf(remote.origin), "P240p/7.ts", media, "video/mp2t");
    expect(saved).toEqual({ type: "saved", url: `${remote.origin}/clips/stream/ab12/P240p/7.ts` });
    const object = remote.objects.get("stream/ab12/P240p/7.ts");
    expect(object).toEqual({ bytes: media, contentType: "video/mp2t", acl: "public-read" });
    if (saved.type === "saved") expect(await (await fetch(saved.url)).bytes()).toEqual(media);
    expect(remote.fieldOrders[0]).toEqual([
      ...["key", "acl", "Content-Type", "policy"],
      ...["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "file"],
    ]);
  });

  test("hostile profile names stay below the granted key and are read back through their URL", async () => {
    const remote = await policyStore(account);
    for (const name of [
      "../../up/1.ts",
      'q"\r\nX: y/1.ts',
      "sp ace+100%/1.ts",
      "ü/1.ts",
      "\x24{filename}/1.ts",
      "?#/1.ts",
    ]) {
      const saved = await store().saveForeign(grantOf(remote.origin), name, media, "video/mp2t");
      if (saved.type !== "saved") throw new Error(`${name}: ${saved.text}`);
      expect(saved.url).toStartWith(`${remote.origin}/clips/stream/ab12/`);
      expect((await fetch(saved.url)).status).toBe(200);
    }
    expect(Array.from(remote.objects.keys()).every((key) => key.startsWith("stream/ab12/"))).toBe(true);
    expect(remote.objects.size).toBe(6);
  });

  test("any word of the store is the error: wrong signature, expired grant", async () => {
    const remote = await policyStore(account);
    const forged = await store().saveForeign(
      grantOf(remote.origin, { secretKey: "x" }),
      "p/1.ts",
      media,
      "video/mp2t",
    );
    expect(forged).toEqual({
      type: "failed",
      text: "<Error><Message>SignatureDoesNotMatch</Message></Error>",
    });
    const old = grantOf(remote.origin, { nowMs: Date.now() - 86_400_001 });
    const expired = await store().saveForeign(old, "p/1.ts", media, "video/mp2t");
    expect(expired).toEqual({ type: "failed", text: "<Error><Message>policy expired</Message></Error>" });
    expect(remote.objects.size).toBe(0);
  });

  test("a 200 with words is an error, an empty 500 is one too, long words are cut and cleaned", async () => {
    const remote = await httpServer(async (request, response) => {
      await bodyOf(request);
      if (request.url === "/words") response.end("slow\u0000 down\r\nplease");
      else if (request.url === "/long") response.end("x".repeat(60_000));
      else if (request.url === "/flood") response.end("x".repeat(600_000));
      else response.writeHead(500).end();
    });
    const save = (path: string) =>
      store().saveForeign({ ...grantOf(""), host: remote.origin + path }, "p/1.ts", media, "video/mp2t");
    expect(await save("/words")).toEqual({ type: "failed", text: "slow  down please" });
    expect(await save("/empty")).toEqual({ type: "failed", text: "storage answered 500" });
    expect(await save("/long")).toEqual({ type: "failed", text: "x".repeat(1_024) });
    expect(await save("/flood")).toEqual({
      type: "failed",
      text: "upload to storage failed: the answer is too large",
    });
  });

  test("a store that never answers is given up at the limit", async () => {
    const remote = await rawServer(() => {});
    const saved = await store({ timeoutMs: 150 }).saveForeign(
      grantOf(remote.origin),
      "p/1.ts",
      media,
      "video/mp2t",
    );
    expect(saved).toEqual({
      type: "failed",
      text: "upload to storage failed: no complete answer within 150 ms",
    });
  });

  test("a 307 repeats the form at a permitted host, a 302 does not", async () => {
    const remote = await policyStore(account);
    const inner = await httpServer((_request, response) => response.writeHead(204).end(), "127.0.0.2");
    const front = await httpServer(async (request, response) => {
      await bodyOf(request);
      const [, status, where] = request.url?.split("/") ?? [];
      const target = where === "inward" ? `${inner.origin}/` : `${remote.origin}/clips`;
      response.writeHead(Number(status), { Location: target }).end();
    });
    const save = (path: string) =>
      store().saveForeign({ ...grantOf(""), host: front.origin + path }, "p/1.ts", media, "video/mp2t");
    expect((await save("/307/region")).type).toBe("saved");
    expect(remote.objects.size).toBe(1);
    expect((await save("/302/region")).type).toBe("failed");
    expect((await save("/307/inward")).type).toBe("failed");
    expect(remote.objects.size).toBe(1);
  });

  test("certificates of stores are verified", async () => {
    const remote = await tlsServer(async (request, response) => {
      await bodyOf(request);
      response.writeHead(204).end();
    }, selfSigned("127.0.0.1"));
    const grant = grantOf(remote.origin);
    expect((await store().saveForeign(grant, "p/1.ts", media, "video/mp2t")).type).toBe("failed");
    const lax = store({ verifyTls: false });
    expect((await lax.saveForeign(grant, "p/1.ts", media, "video/mp2t")).type).toBe("saved");
  });

  test("grants that lead inward or break the form are refused before anything is sent", async () => {
    const good = grantOf("http://127.0.0.1:9");
    const bad: Partial<ForeignBucket>[] = [
      { host: "http://10.0.0.1/clips" },
      { host: "http://127.0.0.2:9000/clips" },
      { host: "http://[::1]:9000/clips" },
      { host: "file:///tmp" },
      { host: "" },
      { host: "clips.s3.amazonaws.com" },
      { host: "http://127.0.0.1:25/" },
      { host: "http://user:pw@127.0.0.1:9/" },
      { host: "http://127.0.0.1:9/?x=" },
      { host: `http://127.0.0.1:9/${"a".repeat(3_000)}` },
      { key: "a\r\nb" },
      { key: "a/../../b" },
      { key: "a/\x24{filename}" },
      { policy: "x".repeat(20_000) },
      { credential: 'x"\r\n' },
    ];
    for (const change of bad) {
      const saved = await store().saveForeign({ ...good, ...change }, "p/1.ts", media, "video/mp2t");
      expect([change, saved.type]).toEqual([change, "failed"]);
    }
  });
});

test("a gateway's Google bucket gets the same form with Google's fields", async () => {
  const seen: string[] = [];
  const remote = await httpServer(async (request, response) => {
    const body = (await bodyOf(request)).toString("latin1");
    seen.push(
      ...Array.from(body.matchAll(/name="([^"]+)"(?:; filename="([^"]+)")?\r\n/g), (match) => match[1] ?? ""),
    );
    expect(body).toContain('name="key"\r\n\r\nk/P240p/\x24{filename}\r\n');
    expect(body).toContain('filename="7.ts"');
    response.writeHead(204).end();
  });
  const bucket = {
    ...grantOf(""),
    type: "gcs" as const,
    host: remote.origin,
    key: "k",
    credential: "me@project",
  };
  const saved = await store().saveForeign(bucket, "P240p/7.ts", media, "video/mp2t");
  expect(saved).toEqual({ type: "saved", url: `${remote.origin}/k/P240p/7.ts` });
  expect(seen).toEqual(["key", "acl", "Content-Type", "policy", "GoogleAccessId", "signature", "file"]);
});

describe("our own store", () => {
  async function ownStore(prefix = "") {
    const remote = await policyStore(account);
    const secret = encodeURIComponent(account.secretKey);
    const parsed = parseObjectStoreUrl(`s3+http://AK:${secret}@127.0.0.1:${remote.port}/clips${prefix}`);
    if (parsed.type !== "store") throw new Error(parsed.text);
    const failures: string[] = [];
    // No network is allowed here: our own store must be reachable without it.
    const guard = createAddressGuard();
    const made = createObjectStore({
      guard,
      own: parsed.config,
      nowMs: Date.now,
      onOwnFailure: (text) => failures.push(text),
    });
    if (made.own === null) throw new Error("no own store");
    return { remote, own: made.own, failures, guard, foreign: made };
  }

  test("video check 11: a granted gateway uploads its source, which we then fetch by URL", async () => {
    for (const prefix of ["", "/pre/fix", "/pre/fix/"]) {
      const { remote, own, guard } = await ownStore(prefix);
      const grant = own.grant("deadbeef", Date.now());
      expect([grant.type, grant.key]).toEqual(["s3", prefix === "" ? "deadbeef" : "pre/fix/deadbeef"]);
      // The gateway's side of the exchange is our own uploader, aimed at the grant.
      const uploaded = await store().saveForeign(grant, "source/0.ts", media, "video/mp2t");
      if (uploaded.type !== "saved") throw new Error(uploaded.text);
      expect(own.owns(uploaded.url)).toBe(true);
      const fetcher = createMediaFetcher({ guard, trusts: own.owns });
      const fetched = await fetcher.fetch(uploaded.url, { bytesMax: 1_000, timeoutMs: 30_000 });
      expect(fetched).toEqual({ type: "fetched", bytes: Buffer.from(media) });
      expect(remote.objects.size).toBe(1);
    }
  });

  test("a grant opens nothing beside its session", async () => {
    const { remote, own } = await ownStore();
    const grant = own.grant("deadbeef", Date.now());
    for (const key of ["deadbeef2", "other", "", "dead"]) {
      const saved = await store().saveForeign({ ...grant, key }, "p/1.ts", media, "video/mp2t");
      expect([key, saved.type]).toEqual([key, "failed"]);
    }
    expect(remote.objects.size).toBe(0);
  });

  test("saves renditions below the prefix and answers their public URL", async () => {
    const { remote, own } = await ownStore("/pre");
    const saved = await own.save("deadbeef/P 240p/7.ts", media, "video/mp2t");
    expect(saved).toEqual({ type: "saved", url: `${remote.origin}/clips/pre/deadbeef/P=20240p/7.ts` });
    if (saved.type === "saved") expect(await (await fetch(saved.url)).bytes()).toEqual(media);
    expect((await own.save("noFolder.ts", media, "video/mp2t")).type).toBe("failed");
    expect((await own.save("deadbeef/", media, "video/mp2t")).type).toBe("failed");
  });

  test("the store's own words reach the operator, not the gateway", async () => {
    const { remote, own, failures } = await ownStore();
    await remote.close();
    const saved = await own.save("deadbeef/p/7.ts", media, "video/mp2t");
    expect(saved).toEqual({ type: "failed", text: "the orchestrator's object store refused the upload" });
    expect(failures).toEqual(["the connection failed (ECONNREFUSED)"]);
  });

  test("owns exactly its own bucket", async () => {
    const { remote, own } = await ownStore();
    const at = remote.origin;
    expect(own.owns(`${at}/clips/a/b.ts`)).toBe(true);
    expect(own.owns(`${at}/clips`)).toBe(true);
    const strangers = [
      `${at}/clips-other/a`,
      `${at}/other/a`,
      `${at}/clips/../other/a`,
      `${at}/clips/%2e%2e/other/a`,
      `${at.replace("http:", "https:")}/clips/a`,
      `${at}.evil.example/clips/a`,
      `http://127.0.0.1:${remote.port}@evil.example/clips/a`,
      "nonsense",
    ];
    for (const url of strangers) expect([url, own.owns(url)]).toEqual([url, false]);
  });
});
