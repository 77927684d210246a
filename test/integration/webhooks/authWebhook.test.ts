import { afterEach, describe, expect, test } from "bun:test";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import {
  type AuthWebhookOptions,
  createAuthWebhook,
  type HookCall,
} from "../../../src/webhooks/authWebhook.ts";
import { type HookTarget, parseHookUrl } from "../../../src/webhooks/hookRequest.ts";
import { eventually } from "../../support/eventually.ts";
import vectors from "../../vectors/webhooks.json";

/*
 * Goal: gateways see what a hook says as they see it from go-livepeer (recorded answers), but a slow, broken
 * or talkative hook neither stops the node nor shows its URL to strangers. The hook is a real HTTP server.
 */

const sender = "0x0000000000000000000000000000000000000000";
const other = "0x52908400098527886E0F7030069857D2E4169EE7";

type Hook = {
  readonly url: string;
  readonly requests: {
    readonly headers: http.IncomingHttpHeaders;
    readonly line: string;
    readonly body: string;
  }[];
};

const servers: http.Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
});

async function hook(
  answer: (request: http.IncomingMessage, response: http.ServerResponse) => void,
): Promise<Hook> {
  const requests: Hook["requests"] = [];
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const line = `${request.method} ${request.url}`;
    requests.push({ headers: request.headers, line, body: Buffer.concat(chunks).toString() });
    answer(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as AddressInfo;
  return { url: `http://user:p%40w@127.0.0.1:${port}/hook?x=1`, requests };
}

function target(url: string): HookTarget {
  const parsed = parseHookUrl(url);
  if ("error" in parsed) throw new Error(parsed.error);
  return parsed;
}

function authorizer(url: string, options: Partial<AuthWebhookOptions> = {}) {
  // The limit is long unless a test is about it: no stall of the machine is taken for a hook that hangs.
  return createAuthWebhook({ target: target(url), nowMs: Date.now, timeoutMs: 30_000, ...options });
}

/**
 * Texts that show the hook's URL to the caller or come from a missing limit: here we answer words of our own.
 */
const ownWords = new Map([
  ["302 to itself", "authentication failed: stopped after 10 redirects"],
  ["307 to itself", "authentication failed: stopped after 10 redirects"],
  ["connection closed without answer", "authentication failed: the webhook cannot be reached"],
  ["answer after 20 s, caller waits 25 s", "authentication failed: the webhook did not answer in time"],
]);

/** Prices that no gateway would accept: refused instead of passed on. */
const badPrices = new Map([
  ["200, price with 0 pixels", "authentication failed: pixels per unit is 0"],
  ["200, price negative", "authentication failed: price per unit is negative"],
  ["200, pixelsPerUnit absent", "authentication failed: pixels per unit is 0"],
]);

describe("operator check 30, video check 7: recorded answers", () => {
  for (const vector of vectors.cases) {
    const { webhookAnswer: given, getOrchestrator: seen, requestWithCapabilities } = vector;
    // With capabilities the price is dropped later, by the one who asks; the caller's own deadline is not
    // ours.
    if (given === undefined || seen === undefined || requestWithCapabilities !== false) continue;
    if (vector.name.includes("caller gives up")) continue;

    const isTooLate = (given.delay ?? 0) > 5_000;

    test(vector.name, async () => {
      const { url, requests } = await hook((_request, response) => {
        if (given.abort === true) {
          response.destroy();
          return;
        }
        // An answer that comes later than our limit of 5 s never comes here; the others are a hundred times faster.
        if (isTooLate) return;
        setTimeout(
          () => {
            response.writeHead(given.status ?? 0, given.headers ?? {});
            response.end(given.body);
          },
          (given.delay ?? 0) / 100,
        );
      });
      const gate = authorizer(url, isTooLate ? { timeoutMs: 300 } : {});
      const decision = await gate.authorize(sender);
      const own = ownWords.get(vector.name) ?? badPrices.get(vector.name);
      const text = own ?? ("message" in seen ? seen.message : undefined);
      if (text !== undefined) expect(decision).toEqual({ type: "refused", text });
      else expect(decision).toEqual({ type: "allowed", price: priceOf(seen.price_info ?? null) });
      expect(requests.length).toBe(vector.webhookCalls);
    });
  }

  function priceOf(info: { pricePerUnit?: string; pixelsPerUnit?: string } | null) {
    if (info === null) return null;
    return { pricePerUnit: BigInt(info.pricePerUnit ?? 0), pixelsPerUnit: BigInt(info.pixelsPerUnit ?? 0) };
  }

  test("the request", async () => {
    const recorded = vectors.cases.find((vector) => vector.kind === "request");
    const { url, requests } = await hook((_request, response) => response.end("{}"));
    await authorizer(url).authorize(sender);
    expect(requests[0]?.line).toBe(`${recorded?.method} ${recorded?.url}`);
    expect(requests[0]?.body).toBe(recorded?.body ?? "");
    expect(requests[0]?.headers["content-type"]).toBe("application/json");
    expect(requests[0]?.headers["content-length"]).toBe("51");
    expect(requests[0]?.headers.authorization).toBe(`Basic ${btoa("user:p@w")}`);
  });

  test("the hook decides anew about every request, whatever it said before", async () => {
    const says = [
      '200 {"priceInfo":{"pricePerUnit":5,"pixelsPerUnit":1}}',
      "401 nope",
      "200 {}",
      "200 ",
      "200 {}",
    ];
    const { url, requests } = await hook((_request, response) => {
      const [status, body] = (says[requests.length - 1] ?? "").split(" ");
      response.writeHead(Number(status)).end(body);
    });
    const gate = authorizer(url);
    const decisions = [];
    for (const _ of says) decisions.push(await gate.authorize(sender));
    expect(decisions).toEqual([
      { type: "allowed", price: { pricePerUnit: 5n, pixelsPerUnit: 1n } },
      { type: "refused", text: "authentication failed: nope" },
      { type: "allowed", price: null },
      { type: "refused", text: "authentication failed: unexpected end of JSON input" },
      { type: "allowed", price: null },
    ]);
  });
});

describe("flag values", () => {
  test("recorded refusals", () => {
    const prefix = "Error setting auth webhook URL ";
    const recorded = vectors.cases.filter((vector) => vector.kind === "flag");
    expect(recorded.length).toBe(2);
    for (const vector of recorded) {
      const value = vector.flags?.split(" ").at(-1) ?? "";
      expect(`${prefix}${(parseHookUrl(value) as { error: string }).error};`).toBe(vector.lastErrors ?? "");
    }
  });

  test.each(["", "x", "ftp://x", "//host/x", "/x", "user:pw@host/x", "https://"])("%p is refused", (text) => {
    expect(parseHookUrl(text)).toHaveProperty("error");
  });

  test("credentials leave the URL", () => {
    expect(parseHookUrl("https://us%3Aer:p%25w@hook.example/a?b#c")).toEqual({
      url: "https://hook.example/a?b",
      authorization: `Basic ${btoa("us:er:p%w")}`,
    });
  });
});

describe("a hook that fails", () => {
  test("its last permission stands in for 30 minutes, for that gateway only", async () => {
    let nowMs = 1_000_000;
    let isUp = true;
    const { url } = await hook((_request, response) => {
      if (isUp) response.end('{"priceInfo":{"pricePerUnit":7,"pixelsPerUnit":3}}');
      else response.destroy();
    });
    const gate = authorizer(url, { nowMs: () => nowMs });
    const allowed = { type: "allowed", price: { pricePerUnit: 7n, pixelsPerUnit: 3n } } as const;
    expect(await gate.authorize(sender)).toEqual(allowed);
    isUp = false;
    const refused = {
      type: "refused",
      text: "authentication failed: the webhook cannot be reached",
    } as const;
    nowMs += 30 * 60_000 - 1;
    expect(await gate.authorize(sender)).toEqual(allowed);
    expect(await gate.authorize(other)).toEqual(refused);
    nowMs += 1;
    expect(await gate.authorize(sender)).toEqual(refused);
  });

  test("a refusal is never overruled by an older permission", async () => {
    let step = 0;
    const { url } = await hook((_request, response) => {
      step += 1;
      if (step === 1) response.end("{}");
      else if (step === 2) response.writeHead(403).end("banned");
      else response.destroy();
    });
    const gate = authorizer(url);
    expect((await gate.authorize(sender)).type).toBe("allowed");
    expect((await gate.authorize(sender)).type).toBe("refused");
    expect((await gate.authorize(sender)).type).toBe("refused");
  });

  test("its URL, path, user and password reach no caller, whatever goes wrong", async () => {
    const failing = [
      await hook((_request, response) => response.destroy()),
      await hook((_request, response) => void response.writeHead(302, { Location: "/secret" }).end()),
      await hook((_request, response) => void response.writeHead(302, { Location: "file:///secret" }).end()),
      await hook((_request, response) => void response.writeHead(200).end("x".repeat(70_000))),
      await hook(() => {}),
    ];
    const urls = [
      ...failing.map(({ url }) => url),
      "http://user:pw@secret.invalid/hook",
      "https://127.0.0.1:1/hook",
    ];
    for (const url of urls) {
      const decision = await authorizer(url, { timeoutMs: 200 }).authorize(sender);
      expect(decision.type).toBe("refused");
      expect(JSON.stringify(decision)).not.toMatch(/hook\?|\/hook|user|p@w|127\.0|secret|http/);
    }
  });

  test("long words are cut, control characters blanked, line breaks kept", async () => {
    const words = [`a\u0000b\u001b[31m\r\n${"x".repeat(5_000)}`];
    const { url } = await hook((_request, response) => response.writeHead(403).end(words[0]));
    const decision = await authorizer(url).authorize(sender);
    if (decision.type !== "refused") throw new Error("allowed");
    expect(decision.text).toStartWith("authentication failed: a b [31m\r\nxxx");
    expect(decision.text.length).toBe("authentication failed: ".length + 1_024);
  });
});

describe("redirects", () => {
  test("302 asks again with GET and no body, 307 repeats the post, both are followed", async () => {
    for (const [status, line, body] of [
      [302, "GET /moved", ""],
      [307, "POST /moved", `{"id":"${sender}"}`],
    ] as const) {
      const { url, requests } = await hook((request, response) => {
        if (request.url === "/moved") response.end("{}");
        else response.writeHead(status, { Location: "/moved" }).end();
      });
      expect((await authorizer(url).authorize(sender)).type).toBe("allowed");
      expect([requests[1]?.line, requests[1]?.body]).toEqual([line, body]);
    }
  });

  test("credentials stay at the operator's origin", async () => {
    const elsewhere = await hook((_request, response) => response.end("{}"));
    const home = await hook((_request, response) => {
      response.writeHead(307, { Location: elsewhere.url.replace(/\/\/.*@/, "//") }).end();
    });
    expect((await authorizer(home.url).authorize(sender)).type).toBe("allowed");
    expect(home.requests[0]?.headers.authorization).toBeDefined();
    expect(elsewhere.requests[0]?.headers.authorization).toBeUndefined();
  });
});

describe("bounds", () => {
  test("requests of one gateway that come together share one call", async () => {
    const release = Promise.withResolvers<void>();
    const { url, requests } = await hook(async (_request, response) => {
      await release.promise;
      response.end("{}");
    });
    const gate = authorizer(url);
    const asked = Array.from({ length: 50 }, () => gate.authorize(sender));
    release.resolve();
    expect((await Promise.all(asked)).every(({ type }) => type === "allowed")).toBe(true);
    expect(requests.length).toBe(1);
    expect((await gate.authorize(sender)).type).toBe("allowed");
    expect(requests.length).toBe(2);
  });

  test("calls and queue are bounded: who finds both full is refused, the queued get their turn", async () => {
    let running = 0;
    let runningMost = 0;
    const full = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const { url, requests } = await hook(async (_request, response) => {
      running += 1;
      runningMost = Math.max(runningMost, running);
      if (running === 3) full.resolve();
      await release.promise;
      running -= 1;
      response.end("{}");
    });
    const calls: HookCall[] = [];
    const gate = authorizer(url, { callsMax: 3, waitingMax: 4, onCall: (call) => calls.push(call) });
    const addresses = Array.from({ length: 10 }, (_, index) => `0x${String(index).padStart(40, "0")}`);
    const asked = addresses.map((address) => gate.authorize(address));
    await full.promise;
    for (const turnedAway of asked.slice(7)) {
      expect(await turnedAway).toEqual({
        type: "refused",
        text: "authentication failed: the webhook is busy",
      });
    }
    release.resolve();
    const decisions = await Promise.all(asked);
    expect(decisions.filter(({ type }) => type === "allowed").length).toBe(7);
    expect([requests.length, runningMost, calls.length]).toEqual([7, 3, 10]);
  });

  test("a queue before a hung hook empties at the time limit, and the slots come back", async () => {
    let isHung = true;
    const { url } = await hook((_request, response) => {
      if (!isHung) response.end("{}");
    });
    const gate = authorizer(url, { callsMax: 1, timeoutMs: 150 });
    const both = await Promise.all([gate.authorize(sender), gate.authorize(other)]);
    expect(both.map(({ type }) => type)).toEqual(["refused", "refused"]);
    isHung = false;
    // The short limit holds for this call too, and a stalled machine may exceed it.
    await eventually("the slots are back", async () =>
      (await gate.authorize(other)).type === "allowed" ? true : null,
    );
  });

  test("a trickling answer ends at the time limit", async () => {
    const { url } = await hook((_request, response) => {
      response.writeHead(200);
      const timer = setInterval(() => (response.destroyed ? clearInterval(timer) : response.write(" ")), 20);
    });
    const decision = await authorizer(url, { timeoutMs: 200 }).authorize(sender);
    expect(decision).toEqual({
      type: "refused",
      text: "authentication failed: the webhook did not answer in time",
    });
  });

  test("answers can be kept for a while by option, and old senders are forgotten", async () => {
    let nowMs = 0;
    const { url, requests } = await hook((_request, response) => response.end("{}"));
    const gate = authorizer(url, { nowMs: () => nowMs, allowedFreshMs: 1_000, rememberedMax: 2 });
    await gate.authorize(sender);
    nowMs = 999;
    await gate.authorize(sender);
    expect(requests.length).toBe(1);
    nowMs = 1_000;
    await gate.authorize(sender);
    expect(requests.length).toBe(2);
    await gate.authorize(other);
    await gate.authorize("0xde709f2102306220921060314715629080e2fb77");
    await gate.authorize(sender);
    expect(requests.length).toBe(5);
  });
});
