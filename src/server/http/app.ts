import { type AnyElysia, Elysia } from "elysia";
import type { OrchestratorService } from "../../runtime/service.ts";

/** Answers of plain routes: everything that neither streams nor is hot. */
export type HttpApp = { handle(request: globalThis.Request): Promise<globalThis.Response> };

/**
 * The router of the plain HTTP routes. Later routes come in as plugins; every error ends in one mapping, so
 * that no text of ours leaks.
 */
export function createHttpApp(
  service: Pick<OrchestratorService, "unhealthyReason">,
  plugins: readonly AnyElysia[] = [],
): HttpApp {
  const app = new Elysia()
    .onError({ as: "global" }, ({ code }) =>
      code === "NOT_FOUND"
        ? httpError(404, "404 page not found")
        : code === "VALIDATION" || code === "PARSE"
          ? httpError(400, "Bad Request")
          : httpError(500, "Internal Server Error"),
    )
    .all("/healthz", () => {
      const reason = service.unhealthyReason();
      return reason === null ? new Response(null, { status: 200 }) : httpError(503, reason);
    });
  for (const plugin of plugins) app.use(plugin);
  return app;
}

/** `http.Error` of Go as a web response. */
export function httpError(status: number, text: string): globalThis.Response {
  return new Response(`${text}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  });
}
