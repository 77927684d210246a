/** Decodes the escapes of a path; null when they are malformed or no UTF-8. */
export function decodePath(rawPath: string): string | null {
  // An absolute form (`GET http://host/path`) names the same path.
  const path = rawPath.replace(/^https?:\/\/[^/]*/i, "");
  try {
    return decodeURIComponent(path === "" ? "/" : path);
  } catch {
    return null;
  }
}

/**
 * A path without empty, `.` and `..` parts; a slash at the end stays.
 *
 * Source: Go net/http cleanPath.
 */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  const isFolder = path.endsWith("/") && parts.length > 0;
  return `/${parts.join("/")}${isFolder ? "/" : ""}`;
}
