import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createAddressGuard } from "../../../src/storage/addressGuard.ts";
import { createObjectStore } from "../../../src/storage/objectStore.ts";
import { parseObjectStoreUrl } from "../../../src/storage/ownStore.ts";
import { closeFixtures, httpServer } from "./httpFixtures.ts";

/*
 * Goal: grants and uploads hold against a store that we did not write: MinIO, which checks signatures,
 * policies and sizes. Objects are read back with the runtime's own S3 client. Needs a binary on the PATH or
 * named by REPRISE_MINIO; elsewhere `policyStore.ts` checks the same rules.
 */

const binary = process.env["REPRISE_MINIO"] ?? Bun.which("minio");
if (binary === null) console.log("skipped: no `minio` on the PATH and REPRISE_MINIO is not set");

const user = "reprise-test";
const secretKey = "a/secret+with=signs";
const media = new TextEncoder().encode("rendition");

describe.skipIf(binary === null)("MinIO", () => {
  const dir = mkdtempSync(join(tmpdir(), "reprise-minio-"));
  let server: ReturnType<typeof Bun.spawn> | null = null;
  let endpoint = "";

  beforeAll(async () => {
    mkdirSync(join(dir, "clips"));
    const reserved = await httpServer(() => {});
    await closeFixtures();
    endpoint = reserved.origin;
    server = Bun.spawn(
      [binary ?? "", "server", "--quiet", "--address", endpoint.slice("http://".length), dir],
      {
        env: { ...process.env, MINIO_ROOT_USER: user, MINIO_ROOT_PASSWORD: secretKey, MINIO_BROWSER: "off" },
        stdout: "ignore",
        stderr: "ignore",
      },
    );
    const ready = async (): Promise<boolean> =>
      fetch(`${endpoint}/minio/health/ready`).then(
        (response) => response.ok,
        () => false,
      );
    // MinIO announces readiness nowhere but here.
    while (!(await ready())) await Bun.sleep(50);
  }, 30_000);

  afterAll(async () => {
    server?.kill();
    await server?.exited;
    rmSync(dir, { recursive: true, force: true });
  });

  function ownStore(prefix: string) {
    const secret = encodeURIComponent(secretKey);
    const parsed = parseObjectStoreUrl(`s3+http://${user}:${secret}@${endpoint.slice(7)}/clips${prefix}`);
    if (parsed.type !== "store") throw new Error(parsed.text);
    const guard = createAddressGuard({ allowNetworks: ["127.0.0.1/32"] });
    const store = createObjectStore({ guard, own: parsed.config, nowMs: Date.now });
    if (store.own === null) throw new Error("no own store");
    return { own: store.own, saveForeign: store.saveForeign };
  }

  function stored(key: string): Promise<Uint8Array> {
    const options = {
      accessKeyId: user,
      secretAccessKey: secretKey,
      endpoint,
      region: "us-east-1",
      bucket: "clips",
    };
    return new Bun.S3Client(options).file(key).bytes();
  }

  test("takes our renditions", async () => {
    const { own } = ownStore("/pre");
    const saved = await own.save("deadbeef/P 240p/7.ts", media, "video/mp2t");
    expect(saved).toEqual({ type: "saved", url: `${endpoint}/clips/pre/deadbeef/P=20240p/7.ts` });
    expect(await stored("pre/deadbeef/P=20240p/7.ts")).toEqual(media);
  });

  test("takes a gateway's upload under our grant, and nothing else under it", async () => {
    const { own, saveForeign } = ownStore("/pre");
    const grant = own.grant("deadbeef", Date.now());
    expect(await saveForeign(grant, "source/0.ts", media, "video/mp2t")).toEqual({
      type: "saved",
      url: `${endpoint}/clips/pre/deadbeef/source/0.ts`,
    });
    expect(await stored("pre/deadbeef/source/0.ts")).toEqual(media);

    const beside = await saveForeign({ ...grant, key: "pre/deadbeef2" }, "source/0.ts", media, "video/mp2t");
    expect(beside.type === "failed" && beside.text).toContain("AccessDenied");
    const forged = {
      ...grant,
      signature: grant.signature.replace(/^./, (digit) => (digit === "0" ? "1" : "0")),
    };
    const refused = await saveForeign(forged, "source/1.ts", media, "video/mp2t");
    expect(refused.type === "failed" && refused.text).toContain("SignatureDoesNotMatch");
    const late = own.grant("deadbeef", Date.now() - 86_400_001);
    expect((await saveForeign(late, "source/2.ts", media, "video/mp2t")).type).toBe("failed");
  });
});
