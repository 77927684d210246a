import type { Request } from "./answer.ts";

/** The value of a header field that may not repeat: the first one that came, null when there is none. */
export function headerText(request: Request, name: string): string | null {
  const value = request.headers[name];
  if (Array.isArray(value)) return value[0] ?? null;
  return value ?? null;
}
