/** What the tests of decryption agree on with OpenSSL: every kind of cipher suite in every version. */
import * as crypto from 'node:crypto'

/** By turns from the client and the server. */
export const MESSAGES = [5, 300, 40_000, 1, 20_000, 70_000, 9].map((n, i) => crypto.randomBytes(n).fill(i, 0, 1))
const NO_ENCRYPT_THEN_MAC = 1 << 19
export const NO_EXTENDED_MASTER_SECRET = 1
export const OLD = '@SECLEVEL=0'

export const SUITES: {
  name: string
  version: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'
  ciphers: string
  ec?: boolean
  off?: number
}[] = [
  { name: 'TLS_AES_128_GCM_SHA256', version: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' },
  { name: 'TLS_AES_256_GCM_SHA384', version: 'TLSv1.3', ciphers: 'TLS_AES_256_GCM_SHA384' },
  { name: 'TLS_CHACHA20_POLY1305_SHA256', version: 'TLSv1.3', ciphers: 'TLS_CHACHA20_POLY1305_SHA256' },
  { name: 'TLS_AES_128_CCM_SHA256', version: 'TLSv1.3', ciphers: 'TLS_AES_128_CCM_SHA256' },
  { name: 'TLS_AES_128_CCM_8_SHA256', version: 'TLSv1.3', ciphers: `ALL:TLS_AES_128_CCM_8_SHA256:${OLD}` },
  ...(
    [
      ['ECDHE-RSA-AES128-GCM-SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'],
      ['ECDHE-RSA-AES256-GCM-SHA384', 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'],
      ['ECDHE-RSA-CHACHA20-POLY1305', 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256'],
      ['ECDHE-RSA-AES128-SHA', 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA'],
      ['ECDHE-RSA-AES256-SHA', 'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA'],
      ['ECDHE-RSA-AES128-SHA256', 'TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256'],
      ['ECDHE-RSA-AES256-SHA384', 'TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384'],
      ['ECDHE-RSA-CAMELLIA128-SHA256', 'TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256'],
      ['AES128-GCM-SHA256', 'TLS_RSA_WITH_AES_128_GCM_SHA256'],
      ['AES256-SHA256', 'TLS_RSA_WITH_AES_256_CBC_SHA256'],
      ['AES128-CCM', 'TLS_RSA_WITH_AES_128_CCM'],
      ['AES256-CCM8', 'TLS_RSA_WITH_AES_256_CCM_8'],
    ] as const
  ).map(([openssl, name]) => ({ name, version: 'TLSv1.2' as const, ciphers: `${openssl}:${OLD}` })),
  {
    ...{
      name: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
      version: 'TLSv1.2',
      ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384',
    },
    ec: true,
  },
  ...(['ECDHE-RSA-AES128-SHA', 'ECDHE-RSA-AES128-SHA256', 'ECDHE-RSA-AES256-SHA384'] as const).map((openssl) => ({
    name: `${openssl}, MAC then encrypt`,
    version: 'TLSv1.2' as const,
    ciphers: `${openssl}:${OLD}`,
    off: NO_ENCRYPT_THEN_MAC,
  })),
  { name: 'AES256-SHA in TLS 1.1', version: 'TLSv1.1', ciphers: `AES256-SHA:${OLD}` },
  { name: 'AES256-SHA in TLS 1.0', version: 'TLSv1', ciphers: `AES256-SHA:${OLD}` },
  {
    name: 'AES128-SHA in TLS 1.0, MAC then encrypt',
    version: 'TLSv1',
    ciphers: `AES128-SHA:${OLD}`,
    off: NO_ENCRYPT_THEN_MAC,
  },
]
