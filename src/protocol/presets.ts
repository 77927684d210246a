import type { RenditionProfile } from "./profile.ts";

/** Name, width, height, bits per second, frames per second. Source: video sheet 4.4. */
const table: readonly (readonly [string, number, number, number, number])[] = [
  ["P720p60fps16x9", 1280, 720, 6_000_000, 60],
  ["P720p30fps16x9", 1280, 720, 4_000_000, 30],
  ["P720p25fps16x9", 1280, 720, 3_500_000, 25],
  ["P720p30fps4x3", 960, 720, 3_500_000, 30],
  ["P576p30fps16x9", 1024, 576, 1_500_000, 30],
  ["P576p25fps16x9", 1024, 576, 1_500_000, 25],
  ["P360p30fps16x9", 640, 360, 1_200_000, 30],
  ["P360p25fps16x9", 640, 360, 1_000_000, 25],
  ["P360p30fps4x3", 480, 360, 1_000_000, 30],
  ["P240p30fps16x9", 426, 240, 600_000, 30],
  ["P240p25fps16x9", 426, 240, 600_000, 25],
  ["P240p30fps4x3", 320, 240, 600_000, 30],
  ["P144p30fps16x9", 256, 144, 400_000, 30],
  ["P144p25fps16x9", 256, 144, 400_000, 25],
];

/** The profiles that every node of the network knows by name, largest first. */
export const presetProfiles: readonly RenditionProfile[] = table.map(
  ([name, width, height, bitrate, fps]) => ({
    name,
    width,
    height,
    bitrate,
    fps,
    fpsDen: 0,
    gopMs: 0,
    profile: "default",
    format: "mpegts",
    encoder: "h264",
    quality: 0,
  }),
);

/** The preset of that name (case counts), or null. */
export function presetProfile(name: string): RenditionProfile | null {
  return presetProfiles.find((preset) => preset.name === name) ?? null;
}
