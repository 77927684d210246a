/** The container of a rendition (`net.VideoProfile.format`). */
export type ContainerFormat = "mpegts" | "mp4";

/** The video codec of a rendition (`net.VideoProfile.encoder`). */
export type VideoEncoder = "h264" | "h265" | "vp8" | "vp9";

/** The H.264 profile of a rendition (`net.VideoProfile.profile`). */
export type EncoderProfile = "default" | "baseline" | "main" | "high" | "constrained-high";

/** One wanted rendition, decoded and defaulted from `net.VideoProfile` (video sheet 4.4). */
export type RenditionProfile = {
  readonly name: string;
  /** Requested size in pixels; the real size follows the scaling rule of video sheet 11.4. */
  readonly width: number;
  readonly height: number;
  /** Bits per second; 0 leaves the encoder's default. */
  readonly bitrate: number;
  /** Frames per second as `fps / fpsDen`; `fps` 0 passes every frame through. `fpsDen` 0 means 1. */
  readonly fps: number;
  readonly fpsDen: number;
  /** Key frame distance in milliseconds; 0 = encoder's default, −1 = every frame, below −1 is refused. */
  readonly gopMs: number;
  readonly profile: EncoderProfile;
  readonly format: ContainerFormat;
  readonly encoder: VideoEncoder;
  /** Constant rate factor; 0 = off. */
  readonly quality: number;
};

/** A clip window in milliseconds from the first frame; 0 leaves that end open (video sheet 11.6). */
export type ClipWindow = { readonly fromMs: number; readonly toMs: number };
