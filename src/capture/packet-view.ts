/** What a capture reader hands up: one captured frame at a time, in a reused object. */
import type { Instant } from '../core/time.ts'

/**
 * One captured frame. The object is REUSED: every field is valid only until the sink returns. Copy what you keep.
 * Invariant: 0 <= start <= end <= buf.length, end - start <= originalLength unless the header lied (then an anomaly says so).
 */
export interface PacketView {
  /** 1-based within its file; equals Wireshark's frame.number. */
  frame: number
  at: Instant
  /** LINKTYPE_ value, https://www.tcpdump.org/linktypes.html, without FCS bits. */
  linkType: number
  /** Bytes of frame check sequence at the end of the captured bytes (LINKTYPE FCS field, if_fcslen), 0 if none. */
  fcsBytes: number
  /** Index of the interface (pcapng), 0 for pcap. */
  interfaceId: number
  buf: Uint8Array
  start: number
  end: number
  /** Length on the wire; > end - start when the snapshot length cut the frame. */
  originalLength: number
  /** pcapng opt_comment of this packet, '' if none. */
  comment: string
}

export interface PacketSink {
  packet(p: PacketView): void
}
