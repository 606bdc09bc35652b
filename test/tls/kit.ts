/** Test tools of the tls layer: a recording listener, record builders, and captures read by tshark (an independent opinion). */
import { CLIENT, type Direction, SERVER } from '../../src/core/direction.ts'
import type { CertificateFact, ClientHello, ServerHello, TlsListener, Unread } from '../../src/tls/listener.ts'
import { CAPTURES, needs } from '../kit/require.ts'
import { tsharkRows } from '../kit/tshark.ts'

export type TlsEvent =
  | { type: 'clientHello'; hello: ClientHello; frame: number }
  | { type: 'serverHello'; hello: ServerHello; frame: number }
  | { type: 'certificate'; certificate: CertificateFact; frame: number }
  | { type: 'alert'; dir: Direction; level: number; description: number; encrypted: boolean; frame: number }
  | { type: 'handshakeDone'; frame: number }
  | { type: 'data'; dir: Direction; length: number; frame: number }
  | { type: 'plaintext'; dir: Direction; length: number; bytes: Uint8Array; frame: number }
  | { type: 'plaintextLost'; dir: Direction; bytes: number; frame: number }
  | { type: 'unreadable'; why: Unread; frame: number }
  | { type: 'rekeyed'; what: 'renegotiation' | 'KeyUpdate'; dir: Direction; frame: number }
  | { type: 'notTls'; dir: Direction; hex: string; frame: number }
  | { type: 'resynced'; dir: Direction; frame: number }

export class Recorder implements TlsListener {
  readonly events: TlsEvent[] = []
  clientHello(hello: ClientHello, _at: number, frame: number): void {
    this.events.push({ type: 'clientHello', hello, frame })
  }
  serverHello(hello: ServerHello, _at: number, frame: number): void {
    this.events.push({ type: 'serverHello', hello, frame })
  }
  certificate(certificate: CertificateFact, _at: number, frame: number): void {
    this.events.push({ type: 'certificate', certificate, frame })
  }
  alert(dir: Direction, level: number, description: number, encrypted: boolean, _at: number, frame: number): void {
    this.events.push({ type: 'alert', dir, level, description, encrypted, frame })
  }
  handshakeDone(_at: number, frame: number): void {
    this.events.push({ type: 'handshakeDone', frame })
  }
  applicationData(dir: Direction, length: number, _at: number, frame: number): void {
    this.events.push({ type: 'data', dir, length, frame })
  }
  plaintext(
    dir: Direction,
    length: number,
    buf: Uint8Array,
    start: number,
    end: number,
    _at: number,
    frame: number,
  ): void {
    this.events.push({ type: 'plaintext', dir, length, bytes: Uint8Array.from(buf.subarray(start, end)), frame })
  }
  plaintextLost(dir: Direction, bytes: number, _at: number, frame: number): void {
    this.events.push({ type: 'plaintextLost', dir, bytes, frame })
  }
  unreadable(why: Unread, _at: number, frame: number): void {
    this.events.push({ type: 'unreadable', why, frame })
  }
  rekeyed(what: 'renegotiation' | 'KeyUpdate', dir: Direction, _at: number, frame: number): void {
    this.events.push({ type: 'rekeyed', what, dir, frame })
  }
  notTls(dir: Direction, hex: string, _at: number, frame: number): void {
    this.events.push({ type: 'notTls', dir, hex, frame })
  }
  resynced(dir: Direction, _at: number, frame: number): void {
    this.events.push({ type: 'resynced', dir, frame })
  }
  of<T extends TlsEvent['type']>(type: T): Extract<TlsEvent, { type: T }>[] {
    return this.events.filter((e): e is Extract<TlsEvent, { type: T }> => e.type === type)
  }
}

export const bytes = (...parts: (number | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((p) => (typeof p === 'number' ? [p] : [...p])))
export const u16 = (v: number): Uint8Array => bytes(v >> 8, v & 255)
export const u24 = (v: number): Uint8Array => bytes((v >> 16) & 255, (v >> 8) & 255, v & 255)
export const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))

/** One record: header and fragment. */
export const record = (type: number, fragment: Uint8Array, version = 0x0303): Uint8Array =>
  bytes(type, u16(version), u16(fragment.length), fragment)
export const handshake = (type: number, body: Uint8Array): Uint8Array => bytes(type, u24(body.length), body)
/** An application_data record with a fragment of so many bytes, none of which looks like a header. */
export const sealed = (length: number): Uint8Array => record(23, new Uint8Array(length).fill(0xa5))
const extension = (type: number, body: Uint8Array): Uint8Array => bytes(u16(type), u16(body.length), body)

export interface HelloOptions {
  versions?: number[]
  ciphers?: number[]
  sni?: string
  alpn?: string[]
  sessionId?: Uint8Array
  extensions?: [number, Uint8Array][]
  padding?: number
}

export function clientHello(o: HelloOptions = {}): Uint8Array {
  const extensions: Uint8Array[] = []
  if (o.sni !== undefined) {
    const name = new TextEncoder().encode(o.sni)
    extensions.push(extension(0, bytes(u16(name.length + 3), 0, u16(name.length), name)))
  }
  if (o.alpn !== undefined) {
    const list = bytes(...o.alpn.flatMap((p) => [p.length, new TextEncoder().encode(p)]))
    extensions.push(extension(16, bytes(u16(list.length), list)))
  }
  if (o.versions !== undefined) {
    const list = bytes(...o.versions.map(u16))
    extensions.push(extension(43, bytes(list.length, list)))
  }
  for (const [type, body] of o.extensions ?? []) extensions.push(extension(type, body))
  if (o.padding !== undefined) extensions.push(extension(21, new Uint8Array(o.padding)))
  const all = bytes(...extensions)
  const sessionId = o.sessionId ?? new Uint8Array(32).fill(7)
  const ciphers = bytes(...(o.ciphers ?? [0x1302, 0x1301]).map(u16))
  const body = bytes(
    ...[u16(0x0303), new Uint8Array(32).fill(1), sessionId.length, sessionId, u16(ciphers.length), ciphers, 1, 0],
    ...[u16(all.length), all],
  )
  return handshake(1, body)
}

export interface ServerHelloOptions {
  version?: number
  cipher?: number
  sessionId?: Uint8Array
  random?: Uint8Array
  psk?: boolean
}

export function serverHello(o: ServerHelloOptions = {}): Uint8Array {
  const version = o.version ?? 0x0304
  const extensions = [
    ...(version === 0x0304 ? [extension(43, u16(version))] : []),
    ...(o.psk === true ? [extension(41, u16(0))] : []),
  ]
  const all = bytes(...extensions)
  const sessionId = o.sessionId ?? new Uint8Array(32).fill(7)
  const body = bytes(
    ...[u16(Math.min(version, 0x0303)), o.random ?? new Uint8Array(32).fill(2), sessionId.length, sessionId],
    ...[u16(o.cipher ?? 0x1302), 0, u16(all.length), all],
  )
  return handshake(2, body)
}

export interface Chunk {
  dir: Direction
  bytes: Uint8Array
  frame: number
}

export interface CapturedStream {
  stream: number
  /** In-order payload; what follows SSLRequest where there is one. */
  chunks: Chunk[]
  /** SSLRequest and ClientHello share a segment. tshark 4.0 then takes the client's TLS for MySQL and does not decode it. */
  joined: boolean
}

export const capture = (name: string): string => `${CAPTURES}/${name}`
/** `describe` for tests that read a shared capture with tshark. */
export const onCapture = (name: string) => needs('tshark', capture(name))

/** Rows of `tshark -T fields`; several values of one field stand in one cell with commas between. */
export const tshark = (file: string, filter: string, fields: string[], decodeAs: string[] = []): string[][] =>
  tsharkRows(file, filter, fields, ['-n', ...decodeAs.flatMap((rule) => ['-d', rule])])

/** The payload of every TCP connection in order, retransmissions dropped; bytes up to a MySQL SSLRequest are left out. */
export function streams(file: string): CapturedStream[] {
  const fields = ['frame.number', 'tcp.stream', 'tcp.srcport', 'tcp.dstport', 'tcp.seq_raw', 'tcp.payload', 'tcp.flags']
  const found = new Map<
    number,
    { client: string; next: [number, number]; waiting: Chunk[][]; seqs: number[][]; chunks: Chunk[] }
  >()
  for (const [frame, stream, from, to, seqText, payload, flagsText] of tshark(file, 'tcp', fields)) {
    const flags = Number(flagsText)
    let s = found.get(Number(stream))
    if (s === undefined) {
      const fromClient = (flags & 0x12) === 0x02 || ((flags & 0x12) !== 0x12 && Number(from) > Number(to))
      s = { client: fromClient ? from! : to!, next: [-1, -1], waiting: [[], []], seqs: [[], []], chunks: [] }
      found.set(Number(stream), s)
    }
    const dir = from === s.client ? CLIENT : SERVER
    const seq = Number(seqText)
    if ((flags & 2) !== 0) s.next[dir] = (seq + 1) >>> 0
    if (payload === undefined || payload === '') continue
    if (s.next[dir] < 0) s.next[dir] = seq
    s.waiting[dir]!.push({ dir, bytes: fromHex(payload), frame: Number(frame) })
    s.seqs[dir]!.push(seq)
    for (let again = true; again; ) {
      again = false
      for (let i = 0; i < s.waiting[dir]!.length; i++) {
        const ahead = (s.seqs[dir]![i]! - s.next[dir]) | 0
        if (ahead > 0) continue
        const c = s.waiting[dir]!.splice(i, 1)[0]!
        s.seqs[dir]!.splice(i, 1)
        const fresh = c.bytes.subarray(-ahead)
        if (fresh.length > 0) s.chunks.push({ ...c, bytes: fresh })
        s.next[dir] = (s.next[dir] + fresh.length) >>> 0
        again = true
        break
      }
    }
  }
  return [...found].map(([stream, s]) => ({ stream, ...afterSslRequest(s.chunks) }))
}

function afterSslRequest(chunks: Chunk[]): { chunks: Chunk[]; joined: boolean } {
  const at = chunks.findIndex((c) => c.dir === CLIENT && isSslRequest(c.bytes))
  if (at < 0) return { chunks, joined: false }
  // Clients may put the ClientHello into the same segment.
  const rest = { ...chunks[at]!, bytes: chunks[at]!.bytes.subarray(36) }
  const joined = rest.bytes.length > 0
  return { chunks: [...(joined ? [rest] : []), ...chunks.slice(at + 1)], joined }
}

const isSslRequest = (b: Uint8Array): boolean =>
  b.length >= 36 && b[0] === 32 && b[1] === 0 && b[2] === 0 && b[3] === 1 && (b[5]! & 0x08) !== 0
