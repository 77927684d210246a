/**
 * The highest number behind the last dot of these stream ids; 0 for none. Streams of one name are numbered, because
 * an ended stream takes no more events.
 */
export function lastIncarnation(streams: readonly { readonly stream: string }[]): number {
  let last = 0;
  for (const { stream } of streams) {
    const text = stream.slice(stream.lastIndexOf(".") + 1);
    if (/^\d{1,15}$/.test(text)) last = Math.max(last, Number(text));
  }
  return last;
}
