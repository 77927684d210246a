import { afterEach, describe, expect, test } from "bun:test";
import { createAddressGuard, type ResolveHost } from "../../../src/storage/addressGuard.ts";
import { createMediaFetcher } from "../../../src/storage/mediaFetcher.ts";
import { closeFixtures, httpServer, rawServer, selfSigned, tlsServer } from "./httpFixtures.ts";

/*
 * Goal: a URL from a peer is read only when it leads to a permitted address, within every limit. Real
 * servers on loopback; the guard permits one loopback network by option, so that another one plays the
 * private network.
 */

const limits = { bytesMax: 1_000, timeoutMs: 30_000 };
const media = Buffer.from("segment bytes");

function fetcher(
  options: {
    allowNetworks?: string[];
    resolveHost?: ResolveHost;
    trusts?: (url: string) => boolean;
    bytesInFlightMax?: number;
  } = {},
) {
  const { allowNetworks = ["127.0.0.1/32"], resolveHost, trusts = () => false, bytesInFlightMax } = options;
  return createMediaFetcher({
    guard: createAddressGuard({ allowNetworks, ...(resolveHost === undefined ? {} : { resolveHost }) }),
    trusts,
    ...(bytesInFlightMax === undefined ? {} : { bytesInFlightMax }),
  });
}

afterEach(closeFixtures);

describe("what is fetched", () => {
  test("video check 22: a good URL gives the bytes, any other status none", async () => {
    const server = await httpServer((request, response) => {
      const status = Number(request.url?.slice(1));
      response.writeHead(status).end(status === 304 || status === 204 ? undefined : media);
    });
    expect(await fetcher().fetch(`${server.origin}/200`, limits)).toEqual({ type: "fetched", bytes: media });
    for (const status of [201, 204, 206, 304, 400, 404, 500]) {
      const answer = await fetcher().fetch(`${server.origin}/${status}`, limits);
      expect(answer).toEqual({ type: "refused", reason: `the server answered ${status}` });
    }
  });

  test("self-signed TLS is accepted; Host keeps the name although an address is dialed", async () => {
    const hosts: (string | undefined)[] = [];
    const server = await tlsServer((request, response) => {
      hosts.push(request.headers.host);
      response.end(media);
    }, selfSigned("somebody.else"));
    const answer = await fetcher({ resolveHost: async () => ["127.0.0.1"] }).fetch(
      `https://media.example:${server.port}/a?b=c`,
      limits,
    );
    expect(answer).toEqual({ type: "fetched", bytes: media });
    expect(hosts).toEqual([`media.example:${server.port}`]);
  });

  test("the TLS greeting names the host, which stores behind one address need", async () => {
    const greeting = Promise.withResolvers<Buffer>();
    const server = await rawServer((socket, data) => {
      greeting.resolve(data);
      socket.destroy();
    });
    const named = fetcher({ resolveHost: async () => ["127.0.0.1"] });
    expect((await named.fetch(`https://media.example:${server.port}/`, limits)).type).toBe("refused");
    expect((await greeting.promise).includes("media.example")).toBe(true);
  });

  test("the request asks for plain bytes, without credentials, around the proxy variables", async () => {
    const server = await httpServer((request, response) => response.end(JSON.stringify(request.headers)));
    const before = process.env["HTTP_PROXY"];
    process.env["HTTP_PROXY"] = "http://127.0.0.1:1";
    try {
      const answer = await fetcher().fetch(`${server.origin}/`, limits);
      if (answer.type !== "fetched") throw new Error(answer.reason);
      const headers = JSON.parse(Buffer.from(answer.bytes).toString());
      expect(headers["accept-encoding"]).toBe("identity");
      expect(headers.authorization).toBeUndefined();
    } finally {
      if (before === undefined) delete process.env["HTTP_PROXY"];
      else process.env["HTTP_PROXY"] = before;
    }
  });

  test("a dead address of a host is passed over for the next one", async () => {
    const server = await httpServer((_request, response) => response.end(media));
    const answer = await fetcher({
      allowNetworks: ["127.0.0.0/8"],
      resolveHost: async () => ["127.0.0.9", "127.0.0.1"],
    }).fetch(`http://two.example:${server.port}/`, limits);
    expect(answer.type).toBe("fetched");
  });
});

describe("addresses", () => {
  test("a private address is refused in every spelling, and nothing is connected", async () => {
    let connections = 0;
    const server = await rawServer(() => {});
    const listener = await httpServer((_request, response) => {
      connections += 1;
      response.end(media);
    });
    const port = listener.port;
    const spellings = [
      `http://127.0.0.1:${port}/`,
      `http://localhost:${port}/`,
      `http://2130706433:${port}/`,
      `http://0x7f.1:${port}/`,
      `http://0177.0.0.1:${port}/`,
      `http://[::1]:${port}/`,
      `http://[::ffff:127.0.0.1]:${port}/`,
      `http://[::ffff:7f00:1]:${port}/`,
      `http://0.0.0.0:${port}/`,
      `http://[::]:${port}/`,
      `http://127.0.0.1.:${port}/`,
      `http://１２７.0.0.1:${port}/`,
    ];
    for (const url of spellings) {
      const answer = await fetcher({ allowNetworks: [] }).fetch(url, limits);
      expect([url, answer.type]).toEqual([url, "refused"]);
    }
    expect(connections).toBe(0);
    expect(server.port).toBeGreaterThan(0);
  });

  test("of a name's addresses only the permitted ones are dialed", async () => {
    const server = await httpServer((_request, response) => response.end(media), "127.0.0.1");
    const url = `http://name.example:${server.port}/`;
    const refusing = fetcher({
      allowNetworks: ["127.0.0.2/32"],
      resolveHost: async () => ["127.0.0.1", "10.0.0.1"],
    });
    expect((await refusing.fetch(url, limits)).type).toBe("refused");
    const choosing = fetcher({ resolveHost: async () => ["127.0.0.2", "169.254.169.254", "127.0.0.1"] });
    expect((await choosing.fetch(url, limits)).type).toBe("fetched");
  });

  // Goal: no time between check and use. A resolver that changes its answer must be asked once per request.
  test("a name that is rebound after the check does not lead the connection elsewhere", async () => {
    const inner = await httpServer((_request, response) => response.end("secret"), "127.0.0.2");
    let lookups = 0;
    const rebinding: ResolveHost = async () => (lookups++ === 0 ? ["127.0.0.1"] : ["127.0.0.2"]);
    const answer = await fetcher({ resolveHost: rebinding }).fetch(
      `http://rebind.example:${inner.port}/`,
      limits,
    );
    expect(answer.type).toBe("refused");
    expect(lookups).toBe(1);
  });

  test("a URL of our own store may be private, its redirect to another place may not", async () => {
    const inner = await httpServer((_request, response) => response.end("secret"), "127.0.0.3");
    const store = await httpServer((request, response) => {
      if (request.url === "/bucket/away") response.writeHead(302, { Location: inner.origin }).end();
      else response.end(media);
    });
    const own = fetcher({ allowNetworks: [], trusts: (url) => url.startsWith(`${store.origin}/bucket/`) });
    expect((await own.fetch(`${store.origin}/bucket/x`, limits)).type).toBe("fetched");
    expect((await own.fetch(`${store.origin}/other/x`, limits)).type).toBe("refused");
    expect((await own.fetch(`${store.origin}/bucket/away`, limits)).type).toBe("refused");
  });
});

describe("URLs", () => {
  test("other schemes, credentials, control characters, foreign ports and endless URLs are refused", async () => {
    const urls = [
      "",
      "nonsense",
      "/stream/x/1.ts",
      "ftp://127.0.0.1/x",
      "file:///etc/passwd",
      "data:text/plain,x",
      "http://user:pw@127.0.0.1/",
      "http://127.0.0.1/\r\nX-Evil: 1",
      "http://127.0.0.1/\n",
      " http://127.0.0.1/",
      "http://127.0.0.1:6379/",
      "http://127.0.0.1:25/",
      `http://127.0.0.1/${"a".repeat(9_000)}`,
    ];
    for (const url of urls)
      expect([url, (await fetcher().fetch(url, limits)).type]).toEqual([url, "refused"]);
  });
});

describe("redirects", () => {
  test("three are followed, four are not, and each is checked", async () => {
    const inner = await httpServer((_request, response) => response.end("secret"), "127.0.0.2");
    const server = await httpServer((request, response) => {
      const [, kind, count] = request.url?.split("/") ?? [];
      if (kind === "hop" && count !== "0") {
        response.writeHead(302, { Location: `/hop/${Number(count) - 1}` }).end();
      } else if (kind === "inward") response.writeHead(307, { Location: `${inner.origin}/` }).end();
      else if (kind === "file") response.writeHead(301, { Location: "file:///etc/passwd" }).end();
      else if (kind === "bare") response.writeHead(302).end();
      else response.end(media);
    });
    expect((await fetcher().fetch(`${server.origin}/hop/3`, limits)).type).toBe("fetched");
    const tooMany = await fetcher().fetch(`${server.origin}/hop/4`, limits);
    expect(tooMany).toEqual({ type: "refused", reason: "more than 3 redirects" });
    for (const path of ["inward", "file", "bare"]) {
      expect((await fetcher().fetch(`${server.origin}/${path}`, limits)).type).toBe("refused");
    }
  });
});

describe("bounds", () => {
  test("a body of the limit passes, one byte more does not, announced or chunked", async () => {
    const server = await httpServer((request, response) => {
      const [, kind, size] = request.url?.split("/") ?? [];
      const bytes = Buffer.alloc(Number(size), 1);
      if (kind === "chunked") response.writeHead(200, { "Transfer-Encoding": "chunked" });
      else response.writeHead(200, { "Content-Length": String(bytes.length) });
      response.end(bytes);
    });
    for (const kind of ["chunked", "sized"]) {
      const fits = await fetcher().fetch(`${server.origin}/${kind}/1000`, limits);
      expect([kind, fits.type === "fetched" ? fits.bytes.length : fits.reason]).toEqual([kind, 1_000]);
      const over = await fetcher().fetch(`${server.origin}/${kind}/1001`, limits);
      expect(over).toEqual({ type: "refused", reason: "the answer is too large" });
    }
  });

  test("an endless body is cut at the limit: the server sees the connection close", async () => {
    const closed = Promise.withResolvers<void>();
    const server = await httpServer((_request, response) => {
      response.on("close", () => closed.resolve());
      const pour = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        if (!response.destroyed) response.once("drain", pour);
      };
      pour();
    });
    expect((await fetcher().fetch(`${server.origin}/`, limits)).type).toBe("refused");
    await closed.promise;
  });

  test("silence, a trickle of headers and a trickle of body all end at the time limit", async () => {
    const tick = (socket: { destroyed: boolean; write(text: string): unknown }, text: string): void => {
      const timer = setInterval(() => (socket.destroyed ? clearInterval(timer) : socket.write(text)), 20);
    };
    const servers = [
      await rawServer(() => {}),
      await rawServer((socket) => {
        socket.write("HTTP/1.1 200 OK\r\n");
        tick(socket, "X: y\r\n");
      }),
      await rawServer((socket) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n");
        tick(socket, "a");
      }),
    ];
    for (const server of servers) {
      const answer = await fetcher().fetch(`${server.origin}/`, { ...limits, timeoutMs: 200 });
      expect(answer).toEqual({ type: "refused", reason: "no complete answer within 200 ms" });
    }
  });

  test("a resolver that never answers ends at the time limit too", async () => {
    const hanging = fetcher({ resolveHost: () => new Promise(() => {}) });
    const answer = await hanging.fetch("http://slow.example/", { ...limits, timeoutMs: 100 });
    expect(answer.type).toBe("refused");
  });

  test("answers that are cut off, no HTTP, or lie about themselves are refused", async () => {
    const replies = [
      "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc",
      `HTTP/1.1 200 OK\r\nX: ${"a".repeat(100_000)}\r\n\r\nabc`,
      "SSH-2.0-OpenSSH_9.2\r\n",
      "",
    ];
    for (const reply of replies) {
      const server = await rawServer((socket) => socket.end(reply));
      const answer = await fetcher().fetch(`${server.origin}/`, limits);
      expect([reply.slice(0, 60), answer.type]).toEqual([reply.slice(0, 60), "refused"]);
    }
  });

  // Goal: many fetches at once cannot hold more bytes than the budget, and the budget comes back.
  test("the byte budget over all fetches is kept and returned", async () => {
    const release = Promise.withResolvers<void>();
    const holding = Promise.withResolvers<void>();
    const server = await httpServer(async (request, response) => {
      response.write(Buffer.alloc(600));
      if (request.url === "/hold") {
        holding.resolve();
        await release.promise;
      }
      response.end();
    });
    const bounded = fetcher({ bytesInFlightMax: 1_000 });
    const held = bounded.fetch(`${server.origin}/hold`, limits);
    await holding.promise;
    let second = await bounded.fetch(`${server.origin}/now`, limits);
    // The first answer's bytes may still be on their way: ask until they have been counted.
    while (second.type === "fetched") second = await bounded.fetch(`${server.origin}/now`, limits);
    expect(second).toEqual({ type: "refused", reason: "too many bytes are being read at once" });
    release.resolve();
    expect((await held).type).toBe("fetched");
    expect((await bounded.fetch(`${server.origin}/now`, limits)).type).toBe("fetched");
  });
});
