/**
 * TLS secrets that were given to us, found by client random: key logs in the NSS format (files, and the Decryption Secrets
 * Blocks of pcapng), and RSA private keys of servers. Nothing in here ever reaches an output.
 *
 *   CLIENT_RANDOM <client random> <master secret>                      TLS <= 1.2
 *   CLIENT_HANDSHAKE_TRAFFIC_SECRET <client random> <secret>           TLS 1.3; also SERVER_..., CLIENT_TRAFFIC_SECRET_0, ...
 *   RSA <first 8 bytes of the encrypted premaster secret> <premaster secret>
 */
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { decodeText } from '../core/bytes.ts'

/** What is known of one TLS session. */
export interface Secrets {
  /** TLS <= 1.2: the master secret (48 bytes), or the premaster secret that it is made from. */
  master: Uint8Array | null
  premaster: Uint8Array | null
  /** TLS 1.3 traffic secrets (RFC 8446 7.1) by Secret13; null where the key log lacks them. */
  traffic: (Uint8Array | null)[]
  /** Which source gave the first of them. */
  source: number
}

/** Index into `Secrets.traffic`. */
export const Secret13 = { clientEarly: 0, clientHandshake: 1, serverHandshake: 2, client: 3, server: 4 } as const

/** Labels of TLS 1.3 secrets. Later generations (TRAFFIC_SECRET_1 ...) follow from these; exporter secrets open nothing. */
const TRAFFIC_LABELS: Readonly<Record<string, number>> = {
  CLIENT_EARLY_TRAFFIC_SECRET: Secret13.clientEarly,
  CLIENT_HANDSHAKE_TRAFFIC_SECRET: Secret13.clientHandshake,
  SERVER_HANDSHAKE_TRAFFIC_SECRET: Secret13.serverHandshake,
  CLIENT_TRAFFIC_SECRET_0: Secret13.client,
  SERVER_TRAFFIC_SECRET_0: Secret13.server,
}
const LINE = /^([A-Z][A-Z0-9_]*) ([0-9a-f]+) ([0-9a-f]+)$/i
const RANDOM_DIGITS = 64
const MASTER_DIGITS = 96
/** Encrypted premaster secrets are told apart by so many of their first hexadecimal digits. */
const RSA_PREFIX_DIGITS = 16
/** Randoms remembered for which keys were looked for in vain; beyond it a late key log is not noticed. */
const MISSED_KEPT = 100_000
/** Master secrets remembered by session id or ticket. */
const RESUMABLE_KEPT = 10_000

/** What one source (a key log, the secrets of a capture) has brought. */
export interface KeySource {
  /** Lines that say something; comments and empty lines are not counted. */
  lines: number
  /** Lines that are not of the format. */
  damaged: number
  /** TLS sessions for which it was the first to have a secret. */
  sessions: number
  /** Those of them that were looked for: sessions in the captures. */
  used: number
  /** Sessions forgotten because there were more than the limit. */
  dropped: number
}

export class KeyStore {
  /** Grows whenever keys are added: what was missing may be here now. */
  version = 0
  readonly sources: KeySource[] = []
  readonly rsaKeys: KeyObject[] = []
  private readonly limit: number
  private readonly byRandom = new Map<string, Secrets>()
  private readonly asked = new Set<Secrets>()
  private readonly premasters = new Map<string, Uint8Array>()
  private readonly resumable = new Map<string, Uint8Array>()
  private premastersNamed = false
  private missed = new Set<string>()

  /** `limit`: sessions kept at most; the oldest are forgotten first, as a key log is written in order of time. */
  constructor(limit: number) {
    this.limit = limit
  }

  /** No key of any kind was given. */
  get empty(): boolean {
    return this.byRandom.size === 0 && this.rsaKeys.length === 0 && this.premasters.size === 0
  }

  /** Some secrets are premaster secrets, or give them: then a handshake's messages must be kept. */
  get hasPremasters(): boolean {
    return this.rsaKeys.length > 0 || this.premasters.size > 0 || this.premastersNamed
  }

  /** A new source, and its number for `addLine`. */
  begin(): number {
    this.sources.push({ lines: 0, damaged: 0, sessions: 0, used: 0, dropped: 0 })
    return this.sources.length - 1
  }

  /** A whole key log as text. */
  addText(source: number, text: string): void {
    let from = 0
    while (from < text.length) {
      const nl = text.indexOf('\n', from)
      const end = nl < 0 ? text.length : nl
      this.addLine(source, text.slice(from, end))
      from = end + 1
    }
  }

  /** One line of a key log. What is no key of ours is counted or passed over; never throws. */
  addLine(source: number, text: string): void {
    const line = text.trim()
    if (line === '' || line.startsWith('#')) return
    const counts = this.sources[source]!
    counts.lines++
    const m = LINE.exec(line)
    if (m === null || m[3]!.length % 2 !== 0) {
      counts.damaged++
      return
    }
    const label = m[1]!.toUpperCase()
    const name = m[2]!.toLowerCase()
    const secret = m[3]!
    if (label === 'RSA') {
      if (name.length === RSA_PREFIX_DIGITS && secret.length === MASTER_DIGITS) this.addPremaster(name, bytes(secret))
      else counts.damaged++
      return
    }
    const index = TRAFFIC_LABELS[label]
    const whole = index === undefined ? secret.length === MASTER_DIGITS : secret.length === 64 || secret.length === 96
    if (index === undefined && label !== 'CLIENT_RANDOM' && label !== 'PMS_CLIENT_RANDOM') return
    if (name.length !== RANDOM_DIGITS || !whole) {
      counts.damaged++
      return
    }
    const secrets = this.secretsFor(name, source)
    if (index !== undefined) secrets.traffic[index] ??= bytes(secret)
    else if (label === 'CLIENT_RANDOM') secrets.master ??= bytes(secret)
    else {
      secrets.premaster ??= bytes(secret)
      this.premastersNamed = true
    }
    this.version++
  }

  /** A server's RSA private key, in PEM or DER. False when it is none, or protected by a passphrase. */
  addRsaKey(file: Uint8Array): boolean {
    for (const key of [
      () => createPrivateKey(decodeText(file, 0, file.length)),
      () => createPrivateKey({ key: Buffer.from(file), format: 'der', type: 'pkcs8' }),
      () => createPrivateKey({ key: Buffer.from(file), format: 'der', type: 'pkcs1' }),
    ]) {
      try {
        const read = key()
        if (read.asymmetricKeyType !== 'rsa') return false
        this.rsaKeys.push(read)
        this.version++
        return true
      } catch {
        // Not this encoding: the next one is tried.
      }
    }
    return false
  }

  /** The secrets of the session with this client random (hex), null when there are none. `ask` false: just looks. */
  find(clientRandom: string, ask = true): Secrets | null {
    const found = this.byRandom.get(clientRandom) ?? null
    if (found !== null && ask && !this.asked.has(found)) {
      this.asked.add(found)
      this.sources[found.source]!.used++
    }
    return found
  }

  premaster(encrypted: Uint8Array): Uint8Array | null {
    if (this.premasters.size === 0) return null
    return this.premasters.get(Buffer.from(encrypted.subarray(0, RSA_PREFIX_DIGITS / 2)).toString('hex')) ?? null
  }

  /** Remembers the master secret of a session that may be resumed (TLS <= 1.2) by its id or ticket. */
  remember(name: string, master: Uint8Array): void {
    if (this.resumable.size >= RESUMABLE_KEPT && !this.resumable.has(name))
      this.resumable.delete(this.resumable.keys().next().value!)
    this.resumable.set(name, master)
  }

  resume(name: string): Uint8Array | null {
    return this.resumable.get(name) ?? null
  }

  /** Application data of this session went by for want of keys. */
  miss(clientRandom: string): void {
    if (this.missed.size < MISSED_KEPT) this.missed.add(clientRandom)
  }

  /** The randoms missed since the last call. */
  takeMissed(): ReadonlySet<string> {
    const missed = this.missed
    this.missed = new Set()
    return missed
  }

  private addPremaster(prefix: string, premaster: Uint8Array): void {
    if (this.premasters.size >= this.limit) this.premasters.delete(this.premasters.keys().next().value!)
    this.premasters.set(prefix, premaster)
    this.version++
  }

  private secretsFor(random: string, source: number): Secrets {
    const known = this.byRandom.get(random)
    if (known !== undefined) return known
    if (this.byRandom.size >= this.limit) {
      const [oldest, secrets] = this.byRandom.entries().next().value!
      this.byRandom.delete(oldest)
      this.sources[secrets.source]!.dropped++
    }
    const secrets: Secrets = { master: null, premaster: null, traffic: [null, null, null, null, null], source }
    this.byRandom.set(random, secrets)
    this.sources[source]!.sessions++
    return secrets
  }
}

/** A copy of its own: a slice would keep the text of the whole key log alive. */
const bytes = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'))
