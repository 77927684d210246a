/** What a request target means to the router. */
export type RequestPath =
  | {
      readonly type: "path";
      /** Percent-decoded and clean: no empty, `.` or `..` segments. */
      readonly path: string;
      /** The same as the peer sent it, without the query. */
      readonly rawPath: string;
      readonly rawQuery: string;
    }
  | { readonly type: "redirect"; readonly location: string }
  | { readonly type: "malformed" };

/**
 * Reads a request target as Go's `ServeMux` does: the decoded path is cleaned, and a path that was not clean
 * is redirected to the clean one.
 *
 * Source: video sheet section 2 ("Paths are cleaned").
 */
export function readRequestPath(target: string): RequestPath {
  const origin = /^https?:\/\/[^/?#]*/i.exec(target);
  const local = origin === null ? target : target.slice(origin[0].length) || "/";
  const queryAt = local.indexOf("?");
  const rawPath = queryAt < 0 ? local : local.slice(0, queryAt);
  const rawQuery = queryAt < 0 ? "" : local.slice(queryAt);
  if (!rawPath.startsWith("/")) return { type: "malformed" };
  const path = decodePath(rawPath);
  if (path === null) return { type: "malformed" };
  const clean = cleanPath(path);
  if (clean !== path) return { type: "redirect", location: encodePath(clean) + rawQuery };
  return { type: "path", path, rawPath, rawQuery };
}

/** Removes empty, `.` and `..` segments; keeps a slash at the end. */
export function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment === "..") kept.pop();
    else kept.push(segment);
  }
  const isFolder = path.endsWith("/") && kept.length > 0;
  return `/${kept.join("/")}${isFolder ? "/" : ""}`;
}

function decodePath(rawPath: string): string | null {
  if (!rawPath.includes("%")) return rawPath;
  try {
    return decodeURIComponent(rawPath);
  } catch {
    // Go takes any bytes, we only text: a path that is no UTF-8 names nothing of ours.
    return null;
  }
}

function encodePath(path: string): string {
  return path
    .split("/")
    .map((segment) => encodeURIComponent(segment))
    .join("/");
}
