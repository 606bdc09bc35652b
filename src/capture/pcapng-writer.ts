/**
 * Writes pcapng (draft-ietf-opsawg-pcapng), little-endian, one block per call: for slices, the recording proxy and tests.
 * Every function returns a whole block; a file is a section header, then interfaces, then whatever comes.
 */
import { BLOCK, BYTE_ORDER_MAGIC, SECRETS_TLS_KEY_LOG } from './pcapng-blocks.ts'

const encoder = new TextEncoder()
const ZERO = new Uint8Array(0)

type Option = { code: number; value: Uint8Array }

export interface SectionHeader {
  hardware?: string
  os?: string
  application?: string
  comment?: string
}

/** SHB: begins a section; interfaces are numbered from 0 after it. */
export function sectionHeader(about: SectionHeader = {}): Uint8Array {
  const body = new Uint8Array(16)
  const view = new DataView(body.buffer)
  view.setUint32(0, BYTE_ORDER_MAGIC, true)
  view.setUint16(4, 1, true)
  // Section length: all ones, not given.
  view.setBigInt64(8, -1n, true)
  return block(BLOCK.sectionHeader, body, ZERO, [
    ...text(1, about.comment),
    ...text(2, about.hardware),
    ...text(3, about.os),
    ...text(4, about.application),
  ])
}

export interface InterfaceDescription {
  /** LINKTYPE_ value. */
  linkType: number
  /** 0 is no limit. */
  snaplen?: number
  name?: string
  description?: string
  filter?: string
  /** Negative power of ten of a timestamp tick: 9 (nanoseconds) if not given. */
  resolution?: number
}

/** IDB: the next interface of the section. */
export function interfaceDescription(one: InterfaceDescription): Uint8Array {
  const body = new Uint8Array(8)
  const view = new DataView(body.buffer)
  view.setUint16(0, one.linkType, true)
  view.setUint32(4, one.snaplen ?? 0, true)
  const filter =
    one.filter === undefined ? [] : [{ code: 11, value: concat([Uint8Array.of(0), encoder.encode(one.filter)]) }]
  return block(BLOCK.interfaceDescription, body, ZERO, [
    ...text(2, one.name),
    ...text(3, one.description),
    { code: 9, value: Uint8Array.of(one.resolution ?? 9) },
    ...filter,
  ])
}

export interface WrittenPacket {
  interfaceId?: number
  unixSeconds: number
  nanoseconds: number
  bytes: Uint8Array
  /** Length on the wire, if not all of it was kept. */
  originalLength?: number
  comment?: string
}

/** EPB: one packet of an interface whose resolution is nanoseconds (or the given power of ten). */
export function enhancedPacket(packet: WrittenPacket, resolution = 9): Uint8Array {
  const body = new Uint8Array(20)
  const view = new DataView(body.buffer)
  const ticks =
    BigInt(packet.unixSeconds) * 10n ** BigInt(resolution) +
    BigInt(Math.floor(packet.nanoseconds / 10 ** (9 - resolution)))
  view.setUint32(0, packet.interfaceId ?? 0, true)
  view.setUint32(4, Number((ticks >> 32n) & 0xffffffffn), true)
  view.setUint32(8, Number(ticks & 0xffffffffn), true)
  view.setUint32(12, packet.bytes.length, true)
  view.setUint32(16, packet.originalLength ?? packet.bytes.length, true)
  return block(BLOCK.enhancedPacket, body, packet.bytes, text(1, packet.comment))
}

/** DSB: a TLS key log (NSS format), to stand before the packets that it decrypts. */
export function decryptionSecrets(keyLog: string): Uint8Array {
  const secrets = encoder.encode(keyLog)
  const body = new Uint8Array(8)
  const view = new DataView(body.buffer)
  view.setUint32(0, SECRETS_TLS_KEY_LOG, true)
  view.setUint32(4, secrets.length, true)
  return block(BLOCK.decryptionSecrets, body, secrets, [])
}

export interface InterfaceStatistics {
  interfaceId?: number
  unixSeconds: number
  nanoseconds: number
  received?: number
  /** Dropped by the interface for lack of resources, and by the operating system. */
  interfaceDrops?: number
  systemDrops?: number
  comment?: string
}

/** ISB: what an interface received and lost. */
export function interfaceStatistics(counts: InterfaceStatistics): Uint8Array {
  const body = new Uint8Array(12)
  const view = new DataView(body.buffer)
  const ticks = BigInt(counts.unixSeconds) * 1_000_000_000n + BigInt(counts.nanoseconds)
  view.setUint32(0, counts.interfaceId ?? 0, true)
  view.setUint32(4, Number(ticks >> 32n), true)
  view.setUint32(8, Number(ticks & 0xffffffffn), true)
  return block(BLOCK.interfaceStatistics, body, ZERO, [
    ...text(1, counts.comment),
    ...counter(4, counts.received),
    ...counter(5, counts.interfaceDrops),
    ...counter(7, counts.systemDrops),
  ])
}

/** Options hold at most 65,535 bytes: longer text is cut at a character. */
function text(code: number, value: string | undefined): Option[] {
  if (value === undefined || value === '') return []
  const into = new Uint8Array(Math.min(value.length * 3, 0xffff))
  const { written } = encoder.encodeInto(value, into)
  return [{ code, value: into.subarray(0, written) }]
}

function counter(code: number, value: number | undefined): Option[] {
  if (value === undefined) return []
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true)
  return [{ code, value: bytes }]
}

const padded = (length: number): number => (length + 3) & ~3

/** type | length | body | data, padded | options, each padded, and their end | length. */
function block(type: number, body: Uint8Array, data: Uint8Array, options: readonly Option[]): Uint8Array {
  let size = 8 + body.length + padded(data.length) + 4
  for (const option of options) size += 4 + padded(option.value.length)
  if (options.length > 0) size += 4
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  view.setUint32(4, size, true)
  bytes.set(body, 8)
  bytes.set(data, 8 + body.length)
  let at = 8 + body.length + padded(data.length)
  for (const { code, value } of options) {
    view.setUint16(at, code, true)
    view.setUint16(at + 2, value.length, true)
    bytes.set(value, at + 4)
    at += 4 + padded(value.length)
  }
  view.setUint32(size - 4, size, true)
  return bytes
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
