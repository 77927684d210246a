import { create } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import { type ForeignStore, foreignStore, foreignStoreForm } from "../../../src/protocol/foreignStore.ts";
import { OSInfoSchema, S3OSInfoSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { vectors } from "./vectors.ts";

type InfoCase = {
  readonly info: { readonly storageType?: number; readonly s3info?: Readonly<Record<string, string>> } | null;
  readonly givesSession: boolean;
  readonly error: string | null;
};

vectors<InfoCase>("os-info", "osInfo").forEach(({ info, givesSession, error }, index) => {
  test(`recorded storage ${index}: ${JSON.stringify(info)}`, () => {
    const message =
      info === null
        ? undefined
        : create(OSInfoSchema, info.s3info === undefined ? {} : { s3info: info.s3info });
    if (message !== undefined) Object.assign(message, { storageType: info?.storageType ?? 0 });
    const store = foreignStore(message);
    // A grant without details crashes the peer.
    if (error !== null) expect(store).toMatchObject({ type: "refused", text: "storage without its details" });
    else expect(store !== null).toBe(givesSession);
  });
});

/** The store itself puts the file name here. */
const storeVariable = "\u0024{filename}";

const grant = {
  host: "https://mybucket.s3.amazonaws.com/",
  key: "man/sess/",
  policy: "cG9saWN5",
  signature: "abc",
  credential: "AKID/20261120/eu-west-1/s3/aws4_request",
  xAmzDate: "20261120T000000Z",
};

test("the form for S3: fields of the grant, the key with the store's own variable, the file last", () => {
  const form = foreignStoreForm(storeOf(1, grant), "P240p30fps16x9/7.ts", "video/mp2t");
  expect(form).toEqual({
    url: "https://mybucket.s3.amazonaws.com",
    fields: [
      ["acl", "public-read"],
      ["Content-Type", "video/mp2t"],
      ["key", `man/sess/P240p30fps16x9/${storeVariable}`],
      ["policy", "cG9saWN5"],
      ["x-amz-algorithm", "AWS4-HMAC-SHA256"],
      ["x-amz-credential", grant.credential],
      ["x-amz-date", "20261120T000000Z"],
      ["x-amz-signature", "abc"],
    ],
    fileName: "7.ts",
    objectUrl: "https://mybucket.s3.amazonaws.com/man/sess/P240p30fps16x9/7.ts",
  });
});

test("the form for Google names the account and the signature instead, where the peer crashes", () => {
  const host = "https://bucket.storage.googleapis.com";
  const form = foreignStoreForm(storeOf(2, { ...grant, host, key: "" }), "p/7.mp4", "video/mp4");
  expect(form?.fields.slice(-2)).toEqual([
    ["GoogleAccessId", grant.credential],
    ["signature", "abc"],
  ]);
  expect(form?.fields[2]).toEqual(["key", `p/${storeVariable}`]);
  expect(form?.objectUrl).toBe(`${host}/p/7.mp4`);
});

test("hosts that are no plain web address get no form, texts that break a form no grant", () => {
  for (const host of [
    "h",
    "file:///etc/passwd",
    "ftp://h",
    "https://user:pw@h",
    "https://",
    "https://h?x",
    "https://h\\@x",
  ]) {
    expect(foreignStoreForm(storeOf(1, { ...grant, host }), "p/7.ts", "video/mp2t")).toBeNull();
  }
  const refusal = { type: "refused", status: 403, text: "invalid storage" } as const;
  for (const bad of ['a"\r\nContent-Disposition: x', "a\0b", "x".repeat(10_000)]) {
    expect(readStore(1, { ...grant, key: bad })).toEqual(refusal);
    expect(readStore(2, { ...grant, policy: bad })).toEqual(refusal);
  }
});

function readStore(storageType: 1 | 2, info: typeof grant) {
  return foreignStore(create(OSInfoSchema, { storageType, s3info: create(S3OSInfoSchema, info) }));
}

function storeOf(storageType: 1 | 2, info: typeof grant): ForeignStore {
  const store = readStore(storageType, info);
  if (store === null || "status" in store) throw new Error("refused");
  return store;
}
