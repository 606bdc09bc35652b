/** Recognises a file by its first bytes, never by its name. One table of magic numbers; text is looked at by line. */
import { decodeText } from '../core/bytes.ts'
import type { Compression } from './capture-info.ts'

/** What the bytes are. `packed` is compressed or archived, `foreign` a capture format that must be converted first. */
export type ContentKind = 'pcap' | 'pcapng' | 'keylog' | 'text' | 'empty' | 'packed' | 'foreign' | 'unknown'

export interface Content {
  kind: ContentKind
  /** For `packed`: the compression that we undo ourselves, if it is one. */
  compression: Compression
  /** For formats that we only know by name: what it is and what to do. */
  hint: string
}

export interface Magic {
  bytes: readonly number[]
  kind: ContentKind
  compression?: Compression
  hint?: string
}

const ascii = (text: string): number[] => [...text].map((c) => c.charCodeAt(0))

export const MAGICS: readonly Magic[] = [
  { bytes: [0xd4, 0xc3, 0xb2, 0xa1], kind: 'pcap' },
  { bytes: [0xa1, 0xb2, 0xc3, 0xd4], kind: 'pcap' },
  { bytes: [0x4d, 0x3c, 0xb2, 0xa1], kind: 'pcap' },
  { bytes: [0xa1, 0xb2, 0x3c, 0x4d], kind: 'pcap' },
  { bytes: [0x34, 0xcd, 0xb2, 0xa1], kind: 'pcap' },
  { bytes: [0xa1, 0xb2, 0xcd, 0x34], kind: 'pcap' },
  { bytes: [0x0a, 0x0d, 0x0d, 0x0a], kind: 'pcapng' },
  { bytes: [0x1f, 0x8b, 0x08], kind: 'packed', compression: 'gzip' },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], kind: 'packed', compression: 'zstd' },
  { bytes: [0x04, 0x22, 0x4d, 0x18], kind: 'packed', hint: 'an LZ4 file: decompress it first (lz4 -d)' },
  { bytes: [0xfd, ...ascii('7zXZ'), 0], kind: 'packed', hint: 'an xz file: decompress it first (xz -d)' },
  { bytes: ascii('BZh'), kind: 'packed', hint: 'a bzip2 file: decompress it first (bzip2 -d)' },
  { bytes: [...ascii('PK'), 3, 4], kind: 'packed', hint: 'a zip archive: unpack it first' },
  { bytes: [...ascii('7z'), 0xbc, 0xaf, 0x27, 0x1c], kind: 'packed', hint: 'a 7z archive: unpack it first' },
  { bytes: [...ascii('snoop'), 0, 0, 0], kind: 'foreign', hint: 'a snoop capture: convert it first (editcap)' },
  { bytes: ascii('GMBU'), kind: 'foreign', hint: 'a Network Monitor capture: convert it first (editcap)' },
  { bytes: ascii('RTSS'), kind: 'foreign', hint: 'a Network Monitor capture: convert it first (editcap)' },
  { bytes: ascii('XCP\0'), kind: 'foreign', hint: 'a NetXray capture: convert it first (editcap)' },
]

/** Labels of the NSS key log format (SSLKEYLOGFILE): label, client random (or RSA prefix), secret, in hex. */
const KEY_LOG_LINE =
  /^(?:RSA [0-9a-f]{16} [0-9a-f]{96}|(?:CLIENT_RANDOM|(?:CLIENT|SERVER)_(?:HANDSHAKE_)?TRAFFIC_SECRET(?:_\d+)?|CLIENT_EARLY_TRAFFIC_SECRET|(?:EARLY_)?EXPORTER_SECRET|ECH_SECRET|ECH_CONFIG) [0-9a-f]{64} [0-9a-f]{32,})\s*$/i

/** Bytes enough to recognise anything: `sniff` needs no more. */
export const SNIFF_BYTES = 16_384

/** What these bytes, the first of a file, are the beginning of. */
export function sniff(head: Uint8Array): Content {
  if (head.length === 0) return { kind: 'empty', compression: 'none', hint: '' }
  for (const magic of MAGICS) {
    if (magic.bytes.every((byte, i) => head[i] === byte)) {
      return { kind: magic.kind, compression: magic.compression ?? 'none', hint: magic.hint ?? '' }
    }
  }
  if (isSkippableFrame(head)) return { kind: 'packed', compression: 'zstd', hint: '' }
  if (!isText(head)) return { kind: 'unknown', compression: 'none', hint: '' }
  return { kind: isKeyLog(head) ? 'keylog' : 'text', compression: 'none', hint: '' }
}

/** A zstd file may begin with a skippable frame (RFC 8878 3.1.2), as those of pzstd do. */
function isSkippableFrame(head: Uint8Array): boolean {
  return (head[0]! & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18
}

/** No NUL, and hardly any control characters; bytes above 127 may be any encoding. */
function isText(head: Uint8Array): boolean {
  const looked = Math.min(head.length, SNIFF_BYTES)
  let odd = 0
  for (let i = 0; i < looked; i++) {
    const c = head[i]!
    if (c === 0) return false
    // Tab, line feed, form feed, carriage return and escape (colours) occur in logs.
    if (c < 32 && c !== 9 && c !== 10 && c !== 12 && c !== 13 && c !== 27) odd++
  }
  return odd * 100 <= looked
}

/** The first line that is neither empty nor a comment is a key log's. */
function isKeyLog(head: Uint8Array): boolean {
  const lines = decodeText(head, 0, Math.min(head.length, SNIFF_BYTES)).split('\n')
  const first = lines.find((line) => line.trim() !== '' && !line.startsWith('#'))
  return first !== undefined && KEY_LOG_LINE.test(first.trimEnd())
}
