import { extensionOf, PERCEPTUAL_HASH_EXTENSION } from "./container.ts";
import type { RenditionProfile } from "./profile.ts";
import { profileId } from "./profiles.ts";

/** Where the objects of a session are served: `<service URI>/stream/<path>`. */
export const STREAM_PREFIX = "/stream/";

/** Characters of one step of a path, at most. Beyond it a name is cut and told apart by its id. */
const STEP_LENGTH_MAX = 80;
const PATH_LENGTH_MAX = 256;

/**
 * A directory name for each profile of a session, in order: URL-safe, without path tricks, and no two alike.
 *
 * Ordinary names stay as they are, so the paths equal a go-livepeer node's. Everything else is replaced by `_`
 * and told apart by the profile id: the peer puts names into paths and object keys unescaped. Profiles of one
 * name get their own directory each, where the peer lets the second overwrite the first.
 */
export function renditionDirectories(profiles: readonly Pick<RenditionProfile, "name">[]): readonly string[] {
  const taken = new Set<string>();
  return profiles.map(({ name }) => {
    const base = safeStep(name);
    let candidate = base;
    for (let copy = 2; taken.has(candidate); copy++) candidate = `${base}~${copy}`;
    taken.add(candidate);
    return candidate;
  });
}

/**
 * Path of a rendition below its session: `<directory>/<seq><extension>`.
 *
 * @param directory - one of `renditionDirectories`
 */
export function renditionObject(
  directory: string,
  seq: bigint,
  profile: Pick<RenditionProfile, "format">,
): string {
  return `${directory}/${seq}${extensionOf(profile.format)}`;
}

/** Path of the perceptual hash that belongs to a rendition's path. */
export function perceptualHashObject(object: string): string {
  return `${object}${PERCEPTUAL_HASH_EXTENSION}`;
}

/** Path below `/stream/` of an object of a session. The session id must be one of ours. */
export function streamPath(sessionId: string, object: string): string {
  return `${safeStep(sessionId)}/${object}`;
}

/** The URL under which a gateway fetches an object: service URI, `/stream/`, path. */
export function streamUrl(serviceUri: string, path: string): string {
  return `${serviceUri.replace(/\/+$/, "")}${STREAM_PREFIX}${path}`;
}

/**
 * Whether a path that a peer asks for below `/stream/` can be one of ours: plain steps, no empty ones, no dots
 * alone, no escapes. Whatever fails is unknown without any look-up.
 */
export function isStreamPath(path: string): boolean {
  return (
    path.length <= PATH_LENGTH_MAX &&
    /^[\w.~-]+(?:\/[\w.~-]+){1,2}$/.test(path) &&
    !/(?:^|\/)\.+(?:\/|$)/.test(path)
  );
}

/** A name as one step of a path. */
function safeStep(name: string): string {
  if (name.length <= STEP_LENGTH_MAX && /^\w[\w.-]*$/.test(name)) return name;
  const plain = name.slice(0, STEP_LENGTH_MAX).replace(/[^\w.-]/g, "_");
  return `_${plain.replace(/^\.+/, "_")}-${profileId(name)}`;
}
