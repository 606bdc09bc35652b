/**
 * Classic pcap files in memory (draft-ietf-opsawg-pcap): a 24-byte header, then 16 bytes and the packet per frame.
 */
export interface PcapFrame {
  /** Microseconds since 1970, a whole number. */
  at: number
  bytes: Uint8Array
}

export interface PcapOptions {
  /** Bytes kept of each frame. */
  snaplen?: number
  /** LINKTYPE_ value; 1 is Ethernet. */
  linkType?: number
  /** Big-endian headers, as a capture from such a machine has them. */
  bigEndian?: boolean
  /** Magic a1b23c4d: the second half of a timestamp counts nanoseconds. */
  nanoseconds?: boolean
}

const FILE_HEADER = 24
const RECORD_HEADER = 16

/** The bytes of a capture file that holds these frames in this order. */
export function pcapFile(frames: readonly PcapFrame[], options: PcapOptions = {}): Uint8Array {
  const snaplen = options.snaplen ?? 262144
  const little = options.bigEndian !== true
  const unit = options.nanoseconds === true ? 1000 : 1

  const size = frames.reduce((sum, f) => sum + RECORD_HEADER + Math.min(f.bytes.length, snaplen), FILE_HEADER)
  const file = new Uint8Array(size)
  const view = new DataView(file.buffer)
  view.setUint32(0, options.nanoseconds === true ? 0xa1b23c4d : 0xa1b2c3d4, little)
  view.setUint16(4, 2, little)
  view.setUint16(6, 4, little)
  view.setUint32(16, snaplen, little)
  view.setUint32(20, options.linkType ?? 1, little)

  let at = FILE_HEADER
  for (const frame of frames) {
    const kept = Math.min(frame.bytes.length, snaplen)
    view.setUint32(at, Math.floor(frame.at / 1e6), little)
    view.setUint32(at + 4, (frame.at % 1e6) * unit, little)
    view.setUint32(at + 8, kept, little)
    view.setUint32(at + 12, frame.bytes.length, little)
    file.set(frame.bytes.subarray(0, kept), at + RECORD_HEADER)
    at += RECORD_HEADER + kept
  }
  return file
}
