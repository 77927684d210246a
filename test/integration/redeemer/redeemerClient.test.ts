import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { toHex } from "../../../src/protocol/bytes.ts";
import { type QueuedTicket, readQueuedTicket } from "../../../src/protocol/redeemer.ts";
import { RedeemerClient } from "../../../src/redeemer/redeemerClient.ts";
import type { EntrustableTicket, EntrustAnswer } from "../../../src/runtime/chainPorts.ts";
import { framed, type Reply, ScriptedRedeemer } from "../../support/scriptedRedeemer.ts";
import vectors from "../../vectors/redeemer.json";

/*
 * Goal: the orchestrator's end of `net.TicketRedeemer` says what a real orchestrator says, and whatever comes back, or
 * does not, is an answer in bounded time and memory. Method: a server over real sockets that does as it is told.
 */

const recordedHeaders = vectors.frames.find((frame) =>
  frame.fields?.some((field) => field[1] === "/net.TicketRedeemer/QueueTicket"),
)?.fields;
const recordedMessage =
  vectors.frames.find(({ dir, stream, data }) => dir === "O>R" && stream === 5 && data !== undefined)?.data ??
  "";

let redeemer: ScriptedRedeemer;
let client: RedeemerClient;
beforeEach(async () => {
  redeemer = await ScriptedRedeemer.start();
  client = clientOf(redeemer.port);
});
afterEach(async () => {
  client.close();
  await redeemer[Symbol.asyncDispose]();
});

function clientOf(port: number, host = "127.0.0.1"): RedeemerClient {
  return new RedeemerClient({ host, port, userAgent: "reprise/test", callMs: 400, connectMs: 200 });
}

/** The ticket of the recorded frame, as the log has it. */
function ticketOf({ terms, ...ticket }: QueuedTicket): EntrustableTicket {
  return {
    hash: "0x",
    recipient: toHex(terms.recipient),
    sender: toHex(terms.sender),
    ...{ faceValue: terms.faceValue, winProb: terms.winProb, senderNonce: ticket.senderNonce },
    recipientRandHash: toHex(terms.recipientRandHash),
    recipientRand: toHex(ticket.recipientRand),
    sig: toHex(ticket.signature),
    creationRound: terms.expiration.creationRound,
    creationRoundBlockHash: toHex(terms.expiration.creationRoundBlockHash),
    expirationBlock: ticket.expirationBlock,
  };
}

const recorded = readQueuedTicket(Buffer.from(recordedMessage.slice(2), "hex").subarray(5)).ticket;
if (recorded.type !== "ticket") throw new Error(recorded.text);
const ticket = ticketOf(recorded);
const sender = "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc";

describe("what is said", () => {
  test("a ticket is the recorded frame byte by byte, with the recorded fields, on one connection that is kept", async () => {
    expect(await client.entrust(ticket)).toEqual({ type: "taken" });
    expect(await client.entrust(ticket)).toEqual({ type: "taken" });
    expect(redeemer.connections).toBe(1);
    const [call] = redeemer.calls;
    expect(`${toHex(framed(call?.message ?? new Uint8Array()))}`).toBe(recordedMessage);
    for (const [name = "", value = ""] of recordedHeaders ?? []) {
      if (name === ":authority") expect(call?.headers[name]).toBe(`127.0.0.1:${redeemer.port}`);
      else if (name === "user-agent") expect(call?.headers[name]).toBe("reprise/test");
      else if (name === "grpc-timeout") expect(call?.headers[name]).toMatch(/^[34]\d\dm$/);
      else expect(call?.headers[name]).toBe(value);
    }
  });

  test("max float of a sender is asked as recorded, and read", async () => {
    expect(await client.maxFloat(sender)).toBe(2n * 10n ** 18n);
    expect(toHex(redeemer.calls[0]?.message ?? new Uint8Array())).toBe(`0x0a14${sender.slice(2)}`);
    redeemer.reply = () => ({ type: "error", code: 13, text: "no chain" });
    expect(await client.maxFloat(sender)).toBeNull();
  });

  test("a name that resolves is dialled, and IPv6 is written in brackets", async () => {
    using named = disposable(clientOf(redeemer.port, "localhost"));
    expect((await named.client.entrust(ticket)).type).toBe("taken");
    expect(clientOf(8935, "::1").name).toBe("[::1]:8935");
  });
});

describe("answers", () => {
  const said = async (reply: Reply): Promise<EntrustAnswer> => {
    redeemer.reply = () => reply;
    return client.entrust(ticket);
  };

  test("a ticket that the redeemer knows already is taken: go-livepeer says so by its database's error", async () => {
    const recordedAnswer = vectors.cases.find(
      ({ name }) => name === "QueueTicket, the ticket O has already queued",
    )?.answer;
    if (recordedAnswer === undefined || !("message" in recordedAnswer))
      throw new Error("No recorded answer.");
    const text = String(recordedAnswer.message);
    expect(await said({ type: "error", code: recordedAnswer.status, text })).toEqual({ type: "taken" });
    expect(await said({ type: "error", code: 6, text: "it is here" })).toEqual({ type: "taken" });
    expect(await said({ type: "error", code: 13, text: "database is locked" })).toEqual({
      ...{ type: "refused", text: "database is locked (code 13)" },
    });
  });

  test("a refusal has its words, cleaned and cut; a redeemer that is about to end did not answer", async () => {
    expect(await said({ type: "error", code: 7, text: "invalid ticket recipient 0xab" })).toEqual({
      ...{ type: "refused", text: "invalid ticket recipient 0xab (code 7)" },
    });
    const dirty = await said({ type: "error", code: 3, text: `\u001b[31m${"x".repeat(1_000)}` });
    expect(dirty.type === "refused" ? dirty.text : "").toMatch(/^\?\[31mx{155} \(code 3\)$/);
    expect((await said({ type: "error", code: 14, text: "" })).type).toBe("silent");
    expect((await said({ type: "error", code: 4, text: "too late" })).type).toBe("silent");
  });

  const ok = { "grpc-status": "0" };
  const strange: Readonly<Record<string, [Reply, string]>> = {
    "HTTP status 500": [{ type: "raw", status: 500 }, "HTTP status 500"],
    "a web page": [
      { type: "raw", headers: { "content-type": "text/html" }, body: Buffer.from("<html>") },
      "not gRPC",
    ],
    "no status": [{ type: "raw", body: framed(new Uint8Array()) }, "no gRPC status"],
    "a status that is no number": [{ type: "raw", headers: { "grpc-status": "fine" } }, "no gRPC status"],
    "no message": [{ type: "raw", trailers: ok }, "no message"],
    "half a frame": [{ type: "raw", body: new Uint8Array([0, 0, 0]), trailers: ok }, "no message"],
    "a length that lies": [
      { type: "raw", body: new Uint8Array([0, 0, 0, 0, 9, 1]), trailers: ok },
      "not one message",
    ],
    "a compressed message": [
      { type: "raw", body: new Uint8Array([1, 0, 0, 0, 0]), trailers: ok },
      "compressed",
    ],
    "a body without end": [{ type: "raw", body: new Uint8Array(100_000), trailers: ok }, "more than"],
    "a connection that ends": [{ type: "cut" }, ""],
  };
  for (const [name, [reply, words]] of Object.entries(strange)) {
    test(`garbage: ${name} is no answer, and the next call is answered`, async () => {
      const answer = await said(reply);
      expect(answer.type).toBe("silent");
      if (answer.type === "silent") expect(answer.text).toContain(words);
      expect(await said({ type: "take" })).toEqual({ type: "taken" });
    });
  }

  test("a max float of 33 bytes is none", async () => {
    const body = framed(new Uint8Array([0x0a, 33, ...new Uint8Array(33).fill(1)]));
    redeemer.reply = () => ({ type: "raw", body, trailers: ok });
    expect(await client.maxFloat(sender)).toBeNull();
  });
});

describe("nobody there", () => {
  test("a closed port, and then one that opens", async () => {
    await redeemer.stop();
    expect((await client.entrust(ticket)).type).toBe("silent");
    await redeemer.start();
    expect(await client.entrust(ticket)).toEqual({ type: "taken" });
  });

  test("a redeemer that is started again is connected to again", async () => {
    expect((await client.entrust(ticket)).type).toBe("taken");
    await redeemer.stop();
    expect((await client.entrust(ticket)).type).toBe("silent");
    await redeemer.start();
    expect((await client.entrust(ticket)).type).toBe("taken");
  });

  test("one that hangs is left after the time of a call, others on its connection are answered", async () => {
    redeemer.reply = ({ hash }) => ({ type: hash === null ? "take" : "hang" });
    const hanging = client.entrust(ticket);
    expect(await client.maxFloat(sender)).toBe(2n * 10n ** 18n);
    expect(await hanging).toMatchObject({ type: "silent", text: expect.stringContaining("no answer in") });
    expect(client.isConnected).toBe(true);
    // Now nothing at all is answered: the connection may be dead, so the next call makes a new one.
    redeemer.reply = () => ({ type: "hang" });
    expect(await client.maxFloat(sender)).toBeNull();
    expect(client.isConnected).toBe(false);
    redeemer.reply = () => ({ type: "take" });
    expect(await client.entrust(ticket)).toEqual({ type: "taken" });
    expect(redeemer.connections).toBe(2);
  });

  test("a port that takes connections and never speaks, and one that speaks something else", async () => {
    const sockets: Socket[] = [];
    let greeting = "";
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      if (greeting !== "") socket.write(greeting);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    using mute = disposable(clientOf((server.address() as AddressInfo).port));
    expect(await mute.client.entrust(ticket)).toMatchObject({
      type: "silent",
      text: "no connection in 200 ms",
    });
    greeting = "SSH-2.0-OpenSSH_9.9\r\n".repeat(10);
    expect((await mute.client.entrust(ticket)).type).toBe("silent");
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  test("a closed client answers at once, also what was under way", async () => {
    redeemer.reply = () => ({ type: "hang" });
    const hanging = client.entrust(ticket);
    await redeemer.received(1);
    client.close();
    expect((await hanging).type).toBe("silent");
    expect(await client.entrust(ticket)).toEqual({ type: "silent", text: "the client is closed" });
  });
});

function disposable(made: RedeemerClient): Disposable & { readonly client: RedeemerClient } {
  return { client: made, [Symbol.dispose]: () => made.close() };
}
