import { expect, setDefaultTimeout, test } from "bun:test";
import http2 from "node:http2";
import type { MaxFloatListener, RedeemerService } from "../../../src/runtime/service.ts";
import { encodeMaxFloatRequest, redeemerPaths } from "../../../src/protocol/redeemer.ts";
import { openRedeemerListener } from "../../../src/server/redeemerListener.ts";
import { eventually } from "../../support/eventually.ts";
import { monitor } from "../../support/redeemerFixture.ts";
import { Http2Client } from "../../support/serverClients.ts";

/*
 * Goal: a stream of answers ends when its time is over and when nobody reads it, and then costs nothing. Method: the real
 * port, in clear text, before a service of the test.
 */

setDefaultTimeout(120_000);

type Open = { readonly listener: MaxFloatListener; stopped: number };

async function openPort() {
  const open: Open[] = [];
  const service: RedeemerService = {
    queueTicket: async () => ({ type: "queued" }),
    maxFloat: async () => ({ type: "max-float", maxFloat: 7n }),
    monitorMaxFloat: (_, __, listener) => {
      const one: Open = { listener, stopped: 0 };
      open.push(one);
      return {
        type: "monitored",
        stop: () => {
          one.stopped += 1;
        },
      };
    },
    unhealthyReason: () => null,
  };
  const port = await openRedeemerListener({ bind: { host: "127.0.0.1", port: 0 }, tls: null, service });
  return { open, port, [Symbol.asyncDispose]: () => port.close() };
}

const request = encodeMaxFloatRequest(new Uint8Array(20).fill(1));

function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(5 + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, 5);
  return bytes;
}

test("updates arrive in order, and the service ends the stream with OK, once", async () => {
  await using world = await openPort();
  await using client = new Http2Client(world.port.port, { clear: true });
  const stream = monitor(client, request);
  await stream.opened;
  const [one] = world.open;
  for (const value of [5n, 0n, 2n ** 255n]) one?.listener.changed(value);
  await eventually("all are there", () => (stream.updates.length === 3 ? true : null));
  expect(stream.updates).toEqual([5n, 0n, 2n ** 255n]);
  one?.listener.ended();
  expect(await stream.ended).toBe(0);
  one?.listener.changed(1n);
  one?.listener.ended();
  await eventually("it is stopped", () => (one?.stopped === 1 ? true : null));
});

test("a stream ends with its deadline", async () => {
  await using world = await openPort();
  await using client = new Http2Client(world.port.port, { clear: true });
  const headers = { "grpc-timeout": "100m" };
  const answer = await client.call(redeemerPaths.monitorMaxFloat, request, headers);
  expect(answer.status).toBe(4);
  await eventually("it is stopped", () => (world.open[0]?.stopped === 1 ? true : null));
});

test("a reader that does not read is cut off, and its stream is given up", async () => {
  await using world = await openPort();
  // Its window takes nothing: all that is written waits.
  const session = http2.connect(`http://127.0.0.1:${world.port.port}`, {
    settings: { initialWindowSize: 0 },
  });
  session.on("error", () => {});
  const stream = session.request({
    ...{ ":method": "POST", ":path": redeemerPaths.monitorMaxFloat },
    ...{ "content-type": "application/grpc", te: "trailers" },
  });
  stream.on("error", () => {});
  stream.end(framed(request));
  await eventually("it is open", () => (world.open.length === 1 ? true : null));
  const [one] = world.open;
  for (let count = 0; count < 2_000; count += 1) one?.listener.changed(2n ** 255n);
  await eventually("it is cut off", () => (one?.stopped === 1 ? true : null));
  session.destroy();
});

test("a flood of streams that are opened and reset ends with its connection, not with the port", async () => {
  await using world = await openPort();
  const flood = new Http2Client(world.port.port, { clear: true });
  for (let count = 0; count < 3_000 && !flood.session.destroyed; count += 1) {
    monitor(flood, request).cancel();
    if (count % 100 === 0) await Bun.sleep(1);
  }
  await flood.closed;
  await using client = new Http2Client(world.port.port, { clear: true });
  expect((await client.call(redeemerPaths.maxFloat, request)).status).toBe(0);
  await eventually("none is left", () => (world.open.every(({ stopped }) => stopped === 1) ? true : null));
});
