/** The leaf of a Certificate message (RFC 5246 7.4.2; RFC 8446 4.4.2 once decrypted), read with node's own X.509 parser. */
import { X509Certificate } from 'node:crypto'
import type { Direction } from '../core/direction.ts'
import type { CertificateFact } from './listener.ts'
import { TlsReader } from './reader.ts'

/** Certificates counted in one message. */
const CHAIN_COUNTED = 64
const TEXT_KEPT = 256

/** Decodes the body of a Certificate message; a certificate that cannot be parsed leaves its texts empty. */
export function decodeCertificate(dir: Direction, buf: Uint8Array, end: number, tls13: boolean): CertificateFact {
  const r = new TlsReader(buf, 0, end)
  if (tls13) r.vector(1) // certificate_request_context
  const list = r.vector(3)
  let leaf: Uint8Array | null = null
  let chainLength = 0
  while (list.left > 0 && chainLength < CHAIN_COUNTED) {
    const der = list.vector(3)
    if (tls13) list.vector(2) // extensions
    if (leaf === null) leaf = buf.subarray(der.pos, der.end)
    chainLength++
  }
  const fact = noCertificate(dir, false)
  fact.chainLength = chainLength
  if (leaf !== null) describe(fact, leaf)
  return fact
}

/** A Certificate message without a certificate. */
export function noCertificate(dir: Direction, inferred: boolean): CertificateFact {
  const text = { subject: '', issuer: '', notBefore: '', notAfter: '', altNames: '' }
  return { dir, chainLength: 0, ...text, selfSigned: false, inferred }
}

function describe(fact: CertificateFact, der: Uint8Array): void {
  try {
    const x = new X509Certificate(der)
    fact.subject = commonName(x.subject)
    fact.issuer = commonName(x.issuer)
    fact.notBefore = rfc3339(x.validFrom)
    fact.notAfter = rfc3339(x.validTo)
    fact.selfSigned = x.subject === x.issuer && x.checkIssued(x)
    fact.altNames = (x.subjectAltName ?? '').slice(0, TEXT_KEPT)
  } catch {
    // Cut or damaged: OpenSSL names the ASN.1 field it stopped at, which helps nobody; empty texts say unreadable.
  }
}

/** The CN of a name that node prints as one attribute per line; without one, the whole name. */
function commonName(name: string | undefined): string {
  if (name === undefined) return ''
  const lines = name.split('\n')
  const cn = lines.findLast((line) => line.startsWith('CN='))
  // RFC 2253 2.4 escapes; those of control characters (\0A) stay as they are.
  return (cn === undefined ? lines.join(', ') : cn.slice(3)).replace(/\\([,+"\\<>;#= ])/g, '$1').slice(0, TEXT_KEPT)
}

/** From OpenSSL's "Nov 20 16:00:00 2026 GMT". */
function rfc3339(text: string): string {
  const ms = Date.parse(text)
  return Number.isNaN(ms) ? '' : `${new Date(ms).toISOString().slice(0, 19)}Z`
}
