/**
 * The numbers of what a node can do, as the bits of `net.Capabilities` stand for them.
 * Source: video sheet 10.1. Number 13 (scene classification) is dead and has no name.
 */
export const capability = {
  h264: 0,
  mpegts: 1,
  mp4: 2,
  fractionalFramerates: 3,
  storageDirect: 4,
  storageS3: 5,
  storageGcs: 6,
  profileH264Baseline: 7,
  profileH264Main: 8,
  profileH264High: 9,
  profileH264ConstrainedHigh: 10,
  gop: 11,
  authToken: 12,
  perceptualHash: 14,
  hevcDecode: 15,
  hevcEncode: 16,
  vp8Decode: 17,
  vp9Decode: 18,
  vp8Encode: 19,
  vp9Encode: 20,
  h264Decode444: 21,
  h264Decode422: 22,
  h264Decode444TenBit: 23,
  h264Decode422TenBit: 24,
  h264Decode420TenBit: 25,
  segmentSlicing: 26,
  textToImage: 27,
  imageToImage: 28,
  imageToVideo: 29,
  upscale: 30,
  audioToText: 31,
  segmentAnything2: 32,
  llm: 33,
  imageToText: 34,
  liveVideoToVideo: 35,
  textToSpeech: 36,
  byoc: 37,
} as const;

/** What every gateway takes for granted in a node that transcodes. */
export const defaultCapabilities: readonly number[] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 26];

/** Video capabilities that a node has or has not, by its codecs. */
export const optionalVideoCapabilities: readonly number[] = [15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25];

/**
 * Highest capability number that we keep count of. The network uses 38; the bound keeps a peer's absurd number
 * from becoming a list of millions of words.
 */
export const CAPABILITY_NUMBER_MAX = 1023;

/** The name that operators see; the bare number where there is none. */
export function capabilityName(number: number): string {
  return names[number] ?? String(number);
}

const names: readonly (string | undefined)[] = [
  "H.264",
  "MPEGTS",
  "MP4",
  "Fractional framerates",
  "Storage direct",
  "Storage S3",
  "Storage GCS",
  "H264 Baseline profile",
  "H264 Main profile",
  "H264 High profile",
  "H264 Constrained, Contained High profile",
  "GOP",
  "Auth token",
  undefined,
  "MPEG7 signature",
  "HEVC decode",
  "HEVC encode",
  "VP8 decode",
  "VP9 decode",
  "VP8 encode",
  "VP9 encode",
  "H264 Decode YUV444 8-bit",
  "H264 Decode YUV422 8-bit",
  "H264 Decode YUV444 10-bit",
  "H264 Decode YUV422 10-bit",
  "H264 Decode YUV420 10-bit",
  "Segment slicing",
  "Text to image",
  "Image to image",
  "Image to video",
  "Upscale",
  "Audio to text",
  "Segment anything 2",
  "Llm",
  "Image to text",
  "Live video to video",
  "Text to speech",
  "byoc",
];
