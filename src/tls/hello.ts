/** ClientHello and ServerHello (RFC 8446 4.1.2, 4.1.3; RFC 5246 7.4.1) with the extensions that matter to a connection's fate. */
import type { ClientHello, ServerHello } from './listener.ts'
import { TlsReader } from './reader.ts'

/** ExtensionType, IANA. */
const Extension = {
  serverName: 0,
  alpn: 16,
  encryptThenMac: 22,
  extendedMasterSecret: 23,
  sessionTicket: 35,
  preSharedKey: 41,
  earlyData: 42,
  supportedVersions: 43,
} as const

/** RFC 8446 4.1.3: SHA-256 of "HelloRetryRequest", the random that makes a ServerHello a HelloRetryRequest. */
const RETRY_RANDOM = 'cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c'
const RANDOM_BYTES = 32
const TLS_1_2 = 0x0303
const TLS_1_3 = 0x0304
/** RFC 8446 B.4: the suites of TLS 1.3 have a first byte of their own. */
const isSuiteOf13 = (cipher: number): boolean => cipher >>> 8 === 0x13
/** RFC 6066 3 names are DNS names, RFC 1035: at most 255. */
const NAME_BYTES = 255
const ALPN_KEPT = 16
/** RFC 5077 4: a key name and an IV of 16 bytes each come first. */
const TICKET_NAME_BYTES = 64

/** RFC 8701: 0x0a0a, 0x1a1a ... 0xfafa are placeholders that mean nothing. */
export const isGrease = (v: number): boolean => (v & 0x0f0f) === 0x0a0a && v >>> 8 === (v & 0xff)

/** Decodes the body of a ClientHello; what is missing stays empty and `truncated` says so. */
export function decodeClientHello(buf: Uint8Array, end: number, whole: boolean, afterRetry: boolean): ClientHello {
  const r = new TlsReader(buf, 0, end)
  const legacyVersion = r.be16()
  const random = r.hex(RANDOM_BYTES)
  const sessionIdVector = r.vector(1)
  const sessionId = sessionIdVector.hex(sessionIdVector.left)
  const hello: ClientHello = {
    legacyVersion,
    versions: [],
    maxVersion: legacyVersion,
    ciphers: numbers(r.vector(2)),
    sni: null,
    alpn: [],
    random,
    sessionId,
    sessionIdLength: sessionId.length / 2,
    ticketOffered: false,
    ticket: '',
    pskOffered: false,
    earlyDataOffered: false,
    afterRetry,
    truncated: false,
  }
  r.vector(1) // compression methods
  if (r.left > 0) {
    const extensions = r.vector(2)
    while (extensions.left > 0) clientExtension(hello, extensions.be16(), extensions.vector(2))
    if (!extensions.ok) r.ok = false
  }
  if (hello.versions.length > 0) hello.maxVersion = Math.max(...hello.versions)
  hello.truncated = !whole || !r.ok
  return hello
}

function clientExtension(hello: ClientHello, type: number, body: TlsReader): void {
  switch (type) {
    case Extension.serverName:
      hello.sni = serverName(body)
      break
    case Extension.alpn:
      hello.alpn = protocols(body)
      break
    case Extension.sessionTicket:
      hello.ticketOffered = body.left > 0
      hello.ticket = ticketName(body)
      break
    case Extension.preSharedKey:
      hello.pskOffered = true
      break
    case Extension.earlyData:
      hello.earlyDataOffered = true
      break
    case Extension.supportedVersions:
      hello.versions = numbers(body.vector(1))
      break
  }
}

/**
 * Decodes the body of a ServerHello; version and cipher are 0 where it was cut off before them. `offeredSessionId`: the ClientHello's, in hex, '' when it is not known or empty.
 */
export function decodeServerHello(buf: Uint8Array, end: number, whole: boolean, offeredSessionId: string): ServerHello {
  const r = new TlsReader(buf, 0, end)
  const legacyVersion = r.be16()
  const random = r.hex(RANDOM_BYTES)
  const sessionIdVector = r.vector(1)
  const sessionId = sessionIdVector.hex(sessionIdVector.left)
  const selected = r.be16()
  // 0 is a suite of its own (TLS_NULL_WITH_NULL_NULL), which nobody selects: here it means cut off before.
  const cipher = r.ok ? selected : 0
  const compression = r.u8()
  let encryptThenMac = false
  let extendedMasterSecret = false
  let version = legacyVersion
  let pskSelected = false
  let alpn: string | null = null
  if (r.left > 0) {
    const extensions = r.vector(2)
    while (extensions.left > 0) {
      const type = extensions.be16()
      const body = extensions.vector(2)
      if (type === Extension.supportedVersions && body.left >= 2) version = body.be16()
      else if (type === Extension.preSharedKey) pskSelected = true
      else if (type === Extension.encryptThenMac) encryptThenMac = true
      else if (type === Extension.extendedMasterSecret) extendedMasterSecret = true
      else if (type === Extension.alpn) alpn = protocols(body)[0] ?? null
    }
    if (!extensions.ok) r.ok = false
  }
  // The version stands in an extension since TLS 1.3: where that was cut off, only the cipher suite tells it from 1.2.
  if (version === TLS_1_2 && (!whole || !r.ok)) version = cipher === 0 ? 0 : isSuiteOf13(cipher) ? TLS_1_3 : TLS_1_2
  // A TLS 1.3 server echoes the session id always (RFC 8446 4.1.3), so there it means nothing.
  const resumed = version >= 0x0304 ? pskSelected : sessionId !== '' && sessionId === offeredSessionId
  const retryRequest = random === RETRY_RANDOM
  const sessionIdLength = sessionId.length / 2
  return {
    version,
    legacyVersion,
    cipher,
    random,
    sessionId,
    sessionIdLength,
    compression,
    encryptThenMac,
    extendedMasterSecret,
    retryRequest,
    resumed,
    alpn,
    truncated: !whole || !r.ok,
  }
}

/** What a ticket (RFC 5077) is known by: its beginning, which holds a random part; '' when there is none. */
export function ticketName(ticket: TlsReader): string {
  return ticket.hex(Math.min(ticket.left, TICKET_NAME_BYTES))
}

/** 16-bit numbers up to the end, GREASE left out. */
function numbers(r: TlsReader): number[] {
  const list: number[] = []
  while (r.left >= 2) {
    const v = r.be16()
    if (!isGrease(v)) list.push(v)
  }
  return list
}

function serverName(body: TlsReader): string | null {
  const names = body.vector(2)
  while (names.left > 0) {
    const type = names.u8()
    const name = names.vector(2)
    if (type === 0 && name.left > 0) return name.restText(NAME_BYTES)
  }
  return null
}

function protocols(body: TlsReader): string[] {
  const list = body.vector(2)
  const found: string[] = []
  while (list.left > 0 && found.length < ALPN_KEPT) {
    const name = list.vector(1)
    if (name.left > 0) found.push(name.restText(NAME_BYTES))
  }
  return found
}
