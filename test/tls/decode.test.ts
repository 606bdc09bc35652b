/** Hellos, certificates, alerts, names and plain text: values from real bytes and published tables. */
import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { CLIENT, SERVER } from '../../src/core/direction.ts'
import { ALERTS, alertLevelName, alertMeaning, alertName } from '../../src/tls/alerts.ts'
import { decodeCertificate } from '../../src/tls/certificate.ts'
import { decodeClientHello, decodeServerHello, isGrease } from '../../src/tls/hello.ts'
import { CIPHERS, cipherName, versionName } from '../../src/tls/names.ts'
import { plaintextKind } from '../../src/tls/plaintext.ts'
import { itNeeds } from '../kit/require.ts'
import { bytes, clientHello, serverHello, u24 } from './kit.ts'

const body = (message: Uint8Array): Uint8Array => message.subarray(4)
const decode = (o: Parameters<typeof clientHello>[0]) => {
  const b = body(clientHello(o))
  return decodeClientHello(b, b.length, true, false)
}

/** CN=db.example.com, O="Shop, Inc.", signed by CN=Example Root CA (made with openssl for this test; no key is kept). */
const LEAF = Buffer.from(
  'MIIB1zCCAX2gAwIBAgIUXAEN/PVFXOVLJOaYsg6Y9hp55YYwCgYIKoZIzj0EAwIwLDEQMA4GA1UECgwHRXhhbXBsZTEYMBYGA1UEAwwPRXhhbXBsZSBSb290IENBMB4XDTI2MTEyMDE5NDczOVoXDTI3MTEyMDE5NDczOVowOzELMAkGA1UEBhMCREUxEzARBgNVBAoMClNob3AsIEluYy4xFzAVBgNVBAMMDmRiLmV4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERF4uMzPW9JDD0MrQuFO2FbQ0SOYWMHjgPLOgBOAbalwTKB8s5quLUmS2onnHCUveOuZ1Mw9PlgCfNJDw5otJ86NuMGwwKgYDVR0RBCMwIYIOZGIuZXhhbXBsZS5jb22CD2RiMi5leGFtcGxlLmNvbTAdBgNVHQ4EFgQUE/gEgPP+BInjIO/kYggD7ce2tHswHwYDVR0jBBgwFoAUfCgO4VoENvoVPpMH0HrTspyif6YwCgYIKoZIzj0EAwIDSAAwRQIgcPZXvqK0BcJXk3Oxux/kQ+FR10MjG68beIeHX01myhACIQCYGEyp75LmuctP9hFfHTqazUGgIhY+8vKW2cHwvz4HWA==',
  'base64',
)
const ROOT = Buffer.from(
  'MIIBrDCCAVOgAwIBAgIUePHnj+k5owvWq9HHRKBQ5Jsgu60wCgYIKoZIzj0EAwIwLDEQMA4GA1UECgwHRXhhbXBsZTEYMBYGA1UEAwwPRXhhbXBsZSBSb290IENBMB4XDTI2MTEyMDE5NDczOVoXDTM2MTExNzE5NDczOVowLDEQMA4GA1UECgwHRXhhbXBsZTEYMBYGA1UEAwwPRXhhbXBsZSBSb290IENBMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfT0iehP7SceLbphQjjd9CgITwf4sd09OvMLd8q/Y44RT7zkagbmLCYX+WHigGhAkE+GElnvi0sSMa2w/4AaJ/qNTMFEwHQYDVR0OBBYEFHwoDuFaBDb6FT6TB9B607Kcon+mMB8GA1UdIwQYMBaAFHwoDuFaBDb6FT6TB9B607Kcon+mMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgKROecEgGNaLtTF5FoIFeUwW8CXgqx9dG6fdvq/XjebQCIAOjTFxP+AerQDg5RfHrH6bIW+yKkjNNKlgd7q7e8Ktd',
  'base64',
)
const chain = (...certificates: Uint8Array[]): Uint8Array => {
  const list = bytes(...certificates.map((der) => bytes(u24(der.length), der)))
  return bytes(u24(list.length), list)
}

describe('ClientHello', () => {
  it('what is offered, without GREASE', () => {
    const h = decode({
      ...{ versions: [0x2a2a, 0x0304, 0x0303], ciphers: [0xcaca, 0x1301, 0xc02f, 0x00ff], sni: 'db.example.com' },
      ...{ alpn: ['mysql', 'h2'], sessionId: new Uint8Array(32).fill(0xab) },
      extensions: [
        [35, new Uint8Array(100)],
        [41, new Uint8Array(60)],
        [42, bytes()],
      ] as [number, Uint8Array][],
    })
    expect(h).toEqual({
      ...{ legacyVersion: 0x0303, versions: [0x0304, 0x0303], maxVersion: 0x0304, ciphers: [0x1301, 0xc02f, 0x00ff] },
      ...{ sni: 'db.example.com', alpn: ['mysql', 'h2'], random: '01'.repeat(32), sessionId: 'ab'.repeat(32) },
      ...{
        sessionIdLength: 32,
        ticketOffered: true,
        ticket: '00'.repeat(64),
        pskOffered: true,
        earlyDataOffered: true,
      },
      ...{ afterRetry: false, truncated: false },
    })
  })

  it('without supported_versions the legacy field is the highest version', () => {
    expect(decode({ sessionId: bytes() })).toMatchObject({
      versions: [],
      maxVersion: 0x0303,
      sessionIdLength: 0,
      sni: null,
    })
    expect(decode({ extensions: [[35, bytes()]] }).ticketOffered).toBe(false)
  })

  it('TLS 1.0 hellos end after the compression methods', () => {
    const b = bytes(3, 1, new Uint8Array(32), 0, 0, 2, 0, 0x2f, 1, 0)
    expect(decodeClientHello(b, b.length, true, false)).toMatchObject({
      maxVersion: 0x0301,
      ciphers: [0x2f],
      truncated: false,
    })
  })

  it('cut anywhere: says so, keeps what stood before, never throws', () => {
    const b = body(clientHello({ versions: [0x0304], sni: 'db.example.com', alpn: ['x'] }))
    for (let n = 0; n < b.length; n++) {
      const h = decodeClientHello(b, n, true, false)
      // Right after the compression methods it is a whole hello of TLS 1.0.
      expect(h.truncated, `cut at ${n}`).toBe(n !== 75)
      if (n > 80) expect(h.ciphers).toEqual([0x1302, 0x1301])
    }
  })

  it('GREASE is RFC 8701’s sixteen values', () => {
    const all = Array.from({ length: 65536 }, (_, v) => v).filter(isGrease)
    expect(all).toHaveLength(16)
    expect(all[0]).toBe(0x0a0a)
    expect(all[15]).toBe(0xfafa)
  })
})

describe('ServerHello', () => {
  const server = (o: Parameters<typeof serverHello>[0], offered = '') => {
    const b = body(serverHello(o))
    return decodeServerHello(b, b.length, true, offered)
  }

  it('version from the extension, not the frozen field', () => {
    expect(server({})).toMatchObject({
      version: 0x0304,
      legacyVersion: 0x0303,
      cipher: 0x1302,
      resumed: false,
      truncated: false,
    })
    expect(server({ version: 0x0302, cipher: 0x35 })).toMatchObject({ version: 0x0302, cipher: 0x35 })
  })

  it('resumption: a selected pre-shared key in 1.3, the echoed session id before', () => {
    const id = new Uint8Array(32).fill(7)
    expect(server({ psk: true }).resumed).toBe(true)
    expect(server({ sessionId: id }, '07'.repeat(32)).resumed).toBe(false)
    expect(server({ version: 0x0303, sessionId: id }, '07'.repeat(32)).resumed).toBe(true)
    expect(server({ version: 0x0303, sessionId: id }, '08'.repeat(32)).resumed).toBe(false)
    expect(server({ version: 0x0303, sessionId: bytes() }, '').resumed).toBe(false)
  })
})

describe('Certificate', () => {
  it('leaf first: names, validity, not self-signed', () => {
    const b = chain(LEAF, ROOT)
    expect(decodeCertificate(SERVER, b, b.length, false)).toEqual({
      ...{ dir: SERVER, chainLength: 2, subject: 'db.example.com', issuer: 'Example Root CA', selfSigned: false },
      ...{ notBefore: '2026-11-20T19:47:39Z', notAfter: '2027-11-20T19:47:39Z', inferred: false },
      altNames: 'DNS:db.example.com, DNS:db2.example.com',
    })
  })

  it('self-signed', () => {
    const b = chain(ROOT)
    expect(decodeCertificate(SERVER, b, b.length, false)).toMatchObject({
      selfSigned: true,
      subject: 'Example Root CA',
      chainLength: 1,
    })
  })

  it('TLS 1.3 layout: context and extensions', () => {
    const entries = bytes(u24(LEAF.length), LEAF, 0, 0, u24(ROOT.length), ROOT, 0, 0)
    const b = bytes(0, u24(entries.length), entries)
    expect(decodeCertificate(SERVER, b, b.length, true)).toMatchObject({ chainLength: 2, subject: 'db.example.com' })
  })

  it('none, cut, or rubbish', () => {
    expect(decodeCertificate(CLIENT, bytes(0, 0, 0), 3, false)).toMatchObject({
      dir: CLIENT,
      chainLength: 0,
      subject: '',
    })
    const b = chain(LEAF)
    for (let n = 0; n < b.length; n += 7) expect(decodeCertificate(SERVER, b, n, false).subject).toBe('')
    const rubbish = chain(new Uint8Array(300).fill(0x30))
    expect(decodeCertificate(SERVER, rubbish, rubbish.length, false)).toMatchObject({
      chainLength: 1,
      subject: '',
      notAfter: '',
    })
  })
})

const tsharkValues = (field: string): Map<number, string> => {
  const out = execFileSync('tshark', ['-G', 'values'], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const rows = out.split('\n').map((line) => line.split('\t'))
  return new Map(rows.filter((r) => r[0] === 'V' && r[1] === field).map((r) => [Number(r[2]), r[3]!]))
}

describe('names', () => {
  it('versions as the manual spells them', () => {
    expect([0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x7f1c].map(versionName)).toEqual([
      ...['SSLv3', 'TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3', '0x7f1c'],
    ])
  })

  it('cipher suites, unknown ones by number', () => {
    expect(cipherName(0x1301)).toBe('TLS_AES_128_GCM_SHA256')
    expect(cipherName(0xc02f)).toBe('TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256')
    expect(cipherName(0x0a0a)).toBe('0x0a0a')
  })

  itNeeds('tshark')('cipher suites are named as in Wireshark', () => {
    // Wireshark splits its table in ranges; only the first is listed under the field itself.
    const theirs = tsharkValues('tls.handshake.ciphersuite')
    expect(theirs.size).toBeGreaterThan(100)
    for (const [number, name] of CIPHERS) expect(name, `0x${number.toString(16)}`).toBe(theirs.get(number))
  })

  itNeeds('tshark')('every alert of Wireshark’s table has a name and a meaning', () => {
    const plain = (s: string) => s.toLowerCase().replace(/[^a-z]/g, '')
    for (const [number, name] of tsharkValues('tls.alert_message.desc')) {
      if (number === 1) continue // end_of_early_data: an alert in drafts only
      expect(plain(ALERTS[number]?.name ?? ''), `${number}`).toBe(plain(name).replace('keypskidentity', 'pskidentity'))
      expect(alertMeaning(number).length, `${number}`).toBeGreaterThan(20)
    }
  })

  it('alert levels and numbers nobody registered', () => {
    expect([alertLevelName(1), alertLevelName(2), alertLevelName(7)]).toEqual(['warning', 'fatal', 'level 7'])
    expect([alertName(48), alertName(99), alertMeaning(99)]).toEqual(['unknown_ca', 'alert 99', ''])
  })
})

describe('plain text in TLS', () => {
  it('names what was sent', () => {
    expect(plaintextKind('0100000001')).toEqual({ kind: 'COM_QUIT' })
    expect(plaintextKind('16000002ff13042330385330314261642068616e647368616b65')).toEqual({
      ...{ kind: 'ERR_Packet', code: 1043, sqlState: '08S01', message: 'Bad handshake' },
    })
    expect(plaintextKind('540000020da2ae00000000012d00000000')).toEqual({ kind: 'HandshakeResponse41' })
    expect(plaintextKind('200000010daaae00000000012d00000000')).toEqual({ kind: 'SSLRequest' })
    expect(plaintextKind('802e0103010015000000100000')).toEqual({ kind: 'SSLv2 ClientHello' })
    expect(plaintextKind('50524f585920544350342031302e')).toEqual({ kind: 'PROXY header' })
  })

  it('claims nothing about the rest', () => {
    for (const hex of ['', '01', '474554202f20485454502f312e31', 'ffffffffffffffff', '0100000102']) {
      expect(plaintextKind(hex), hex).toEqual({ kind: 'unknown' })
    }
  })
})
