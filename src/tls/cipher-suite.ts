/** What a cipher suite asks for to be read: cipher, key sizes, MAC and the hash of its key schedule; told from its IANA name. */
import { getCiphers } from 'node:crypto'
import { CIPHERS } from './names.ts'

export interface CipherSuite {
  kind: 'aead' | 'cbc'
  /** OpenSSL's name of the cipher. */
  cipher: string
  mode: 'gcm' | 'ccm' | 'chacha20' | 'cbc'
  keyBytes: number
  /** AEAD: bytes of the tag. CBC: bytes of a block, which is also the IV. */
  tagBytes: number
  /** CBC: hash of the MAC (RFC 5246 6.2.3.1). */
  mac: 'md5' | 'sha1' | 'sha256' | 'sha384'
  macBytes: number
  /** Hash of the key schedule: TLS 1.3 HKDF, TLS 1.2 PRF. */
  hash: 'sha256' | 'sha384'
  /** The premaster secret is encrypted with the server's RSA key (RFC 5246 7.4.7.1): that key alone opens the session. */
  rsaKeyExchange: boolean
}

const MACS = {
  MD5: { mac: 'md5', macBytes: 16 },
  SHA: { mac: 'sha1', macBytes: 20 },
  SHA256: { mac: 'sha256', macBytes: 32 },
  SHA384: { mac: 'sha384', macBytes: 48 },
} as const
const FORM =
  /^TLS_(?:(\w+)_WITH_)?(?:(AES|ARIA|CAMELLIA)_(128|256)_(GCM|CCM|CCM_8|CBC)|(3DES_EDE_CBC)|(CHACHA20_POLY1305))(?:_(MD5|SHA|SHA256|SHA384))?$/
/** Drafts of ChaCha20 with another nonce (draft-agl-tls-chacha20poly1305), gone since 2016. */
const DRAFTS = [0xcc13, 0xcc14, 0xcc15]

const known = new Map<number, CipherSuite | null>()

/** The suite of this number; null when we cannot read it (stream ciphers, NULL, what this OpenSSL does not have). */
export function cipherSuite(number: number): CipherSuite | null {
  let suite = known.get(number)
  if (suite === undefined) {
    suite = DRAFTS.includes(number) ? null : parse(CIPHERS.get(number) ?? '')
    known.set(number, suite)
  }
  return suite
}

function parse(name: string): CipherSuite | null {
  const m = FORM.exec(name)
  if (m === null) return null
  const [, keyExchange, family, bits, mode, triple, chacha, hashName = 'SHA256'] = m
  const mac = MACS[hashName as keyof typeof MACS]
  const shared = {
    ...mac,
    hash: hashName === 'SHA384' ? ('sha384' as const) : ('sha256' as const),
    rsaKeyExchange: keyExchange === 'RSA',
  }
  const suite = ((): CipherSuite => {
    if (chacha !== undefined)
      return { ...shared, kind: 'aead', mode: 'chacha20', cipher: 'chacha20-poly1305', keyBytes: 32, tagBytes: 16 }
    if (triple !== undefined)
      return { ...shared, kind: 'cbc', mode: 'cbc', cipher: 'des-ede3-cbc', keyBytes: 24, tagBytes: 8 }
    const keyBytes = Number(bits) / 8
    const cipher = `${family!.toLowerCase()}-${bits}-${mode!.slice(0, 3).toLowerCase()}`
    if (mode === 'CBC') return { ...shared, kind: 'cbc', mode: 'cbc', cipher, keyBytes, tagBytes: 16 }
    const tagBytes = mode === 'CCM_8' ? 8 : 16
    return { ...shared, kind: 'aead', mode: mode === 'GCM' ? 'gcm' : 'ccm', cipher, keyBytes, tagBytes }
  })()
  return getCiphers().includes(suite.cipher) ? suite : null
}
