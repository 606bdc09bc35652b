/** Reads TLS key logs and private keys into the key store. Only here do they come from files. */
import { readFileSync, statSync } from 'node:fs'
import { openInput } from './capture/input.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { decodeText } from './core/bytes.ts'
import { MysqlconnError } from './core/errors.ts'
import { LIMITS } from './core/limits.ts'
import type { KeySource, KeyStore } from './tls/key-store.ts'

const NEWLINE = 10
/** A private key is a few kilobytes. */
const LARGEST_KEY_FILE = 1 << 20

/** A key log, read; what it was good for is known only after the captures. */
export interface KeyLogInput {
  path: string
  name: string
  bytes: number
  source: KeySource
}

/** Reads a key log (also a compressed one) line by line. Damaged lines are counted, never an error. */
export async function readKeyLog(path: string, name: string, keys: KeyStore): Promise<KeyLogInput> {
  const number = keys.begin()
  const source = keys.sources[number]!
  const input = await openInput(path)
  const bytes = input.size ?? 0
  await input.pump({
    feed(buf, start, end) {
      let p = start
      for (;;) {
        const nl = buf.indexOf(NEWLINE, p)
        if (nl < 0 || nl >= end) break
        line(buf, p, nl)
        p = nl + 1
      }
      // No key is that long: the rest of such a line is taken for lines of its own, which say nothing.
      if (end - p <= LIMITS.tlsKeyLineBytes) return p - start
      source.lines++
      source.damaged++
      return end - start
    },
    finish(buf, start, end) {
      line(buf, start, end)
    },
  })
  return { path, name, bytes, source }

  function line(buf: Uint8Array, start: number, end: number): void {
    if (end - start <= LIMITS.tlsKeyLineBytes) keys.addLine(number, decodeText(buf, start, end))
  }
}

/** Reads a server's private key. Throws E_INPUT_OPEN, or E_USAGE when it is no RSA key that can be used. */
export function readRsaKey(path: string, keys: KeyStore): void {
  let file: Uint8Array
  try {
    if (statSync(path).size > LARGEST_KEY_FILE) throw new Error('it is too large for a key')
    file = readFileSync(path)
  } catch (error) {
    throw new MysqlconnError('E_INPUT_OPEN', `--rsa-key: cannot read ${path}: ${(error as Error).message}`)
  }
  if (keys.addRsaKey(file)) return
  throw new MysqlconnError(
    'E_USAGE',
    `--rsa-key: ${path} is no RSA private key that can be used`,
    'PEM or DER, without a passphrase (openssl rsa -in key.pem -out plain.pem takes it off)',
  )
}

/** What a key log could not do, once the captures are read. */
export function keyLogAnomalies(source: KeySource, sawTls: boolean): AnomalyLog {
  const log = new AnomalyLog()
  if (source.damaged > 0) log.note('keylog.damaged', 0, `${source.damaged} of ${source.lines} lines`)
  if (source.dropped > 0) log.note('us.limit', 0, `${source.dropped} of the oldest TLS sessions in it were forgotten`)
  if (source.used === 0 && sawTls) log.note('keylog.no-match', 0, `${source.sessions} TLS sessions in it`)
  return log
}
