/** What a capture file says about itself, collected while it is read: plain data for `inputs[]` and `capture info`. */
import type { Instant } from '../core/time.ts'

export type Compression = 'none' | 'gzip' | 'zstd'

/** One capture interface: an IDB of a pcapng file, or the one that a pcap file implies. */
export interface InterfaceInfo {
  /** Index over the whole file: a second section's first interface follows the first section's last. */
  id: number
  /** if_name, '' when not given. */
  name: string
  /** if_description, '' when not given. */
  description: string
  /** LINKTYPE_ value. */
  linkType: number
  linkTypeName: string
  /** Bytes kept of each packet; 0 is no limit. */
  snaplen: number
  /** Length of one timestamp tick: '10^-6', '10^-9', '2^-20' seconds. */
  resolution: string
  /** if_filter when it is a text (libpcap) filter, '' otherwise. */
  filter: string
  /** Frame check sequence bytes at the end of each packet, 0 if none. */
  fcsBytes: number
  /** Packets received and dropped by the last interface statistics (ISB), plus drop counts of single packets; null: not said. */
  received: number | null
  dropped: number | null
}

export interface CaptureInfo {
  /** 'pcap', 'pcapng', with '.gz' or '.zst' when compressed; 'empty' for a file of no bytes. */
  format: string
  compression: Compression
  /** Byte order of the headers; 'mixed' when the sections of a pcapng file differ. */
  endianness: 'little' | 'big' | 'mixed' | null
  /** Format version of the (first) file header, e.g. '2.4'. */
  version: string
  /** Timestamp ticks in use, see InterfaceInfo.resolution; distinct, in order of appearance. */
  resolutions: string[]
  /** Largest snapshot length of any interface; 0 is no limit. */
  snaplen: number
  /** Distinct LINKTYPE_ values in order of appearance, and their names. */
  linkTypes: number[]
  linkTypeNames: string[]
  /** The first interfaces, `interfaceCount` in all. */
  interfaces: InterfaceInfo[]
  interfaceCount: number
  /** Section headers of a pcapng file; 1 for pcap. */
  sections: number
  /** Packet comments (opt_comment). */
  comments: number
  /** Packet records read. */
  packets: number
  /** Wireshark's number for the last of them: higher than `packets` where custom blocks are numbered as frames. */
  frames: number
  /** Packets shorter in the file than on the wire. */
  cutPackets: number
  /** Bytes of packet data in the file. */
  capturedBytes: number
  /** Size of the file; of a stream, the bytes read so far. */
  bytes: number
  /** Earliest and latest packet time; null without any packet that has a time. */
  firstAt: Instant | null
  lastAt: Instant | null
  /** Blocks of secrets (DSB) that hold a TLS key log. */
  secrets: number
  /** shb_hardware, shb_os, shb_userappl of the first section, '' when not given. */
  hardware: string
  os: string
  application: string
}

/** An info to be filled by a reader. */
export function emptyInfo(): CaptureInfo {
  return {
    format: 'empty',
    compression: 'none',
    endianness: null,
    version: '',
    resolutions: [],
    snaplen: 0,
    linkTypes: [],
    linkTypeNames: [],
    interfaces: [],
    interfaceCount: 0,
    sections: 0,
    comments: 0,
    packets: 0,
    frames: 0,
    cutPackets: 0,
    capturedBytes: 0,
    bytes: 0,
    firstAt: null,
    lastAt: null,
    secrets: 0,
    hardware: '',
    os: '',
    application: '',
  }
}
