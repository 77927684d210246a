import { runTool } from "./liveSource.ts";

/** What an independent decoder sees in a media file. */
export type DecodedVideo = { readonly frames: number; readonly pixels: number };

/**
 * Decodes the whole video of a file with ffprobe and adds up width × height of every frame: what a gateway's own
 * verification does (video sheet 4.8).
 *
 * @throws DemoToolError when the file does not decode without complaint
 */
export async function decodedPixels(path: string): Promise<DecodedVideo> {
  const text = await runTool([
    ...["ffprobe", "-v", "error", "-select_streams", "v:0"],
    ...["-show_entries", "frame=width,height", "-of", "csv=p=0", path],
  ]);
  let frames = 0;
  let pixels = 0;
  for (const line of text.split("\n")) {
    // Frames with side data end their line with a comma; packets without a picture have no numbers.
    const [width, height] = line.split(",").map(Number);
    if (!width || !height) continue;
    frames += 1;
    pixels += width * height;
  }
  return { frames, pixels };
}
