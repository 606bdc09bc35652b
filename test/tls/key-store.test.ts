/** The store of TLS secrets: bounded, and untroubled by whatever a key log holds. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KeyStore, Secret13 } from '../../src/tls/key-store.ts'

const random = (n: number): string => n.toString(16).padStart(64, '0')
const line = (n: number): string => `CLIENT_RANDOM ${random(n)} ${'ab'.repeat(48)}\n`

describe('key store', () => {
  it('keeps the newest sessions, and counts those that it had to forget', () => {
    const keys = new KeyStore(3)
    const source = keys.begin()
    for (let n = 0; n < 10; n++) keys.addText(source, line(n))
    expect([6, 7, 8, 9].map((n) => keys.find(random(n)) !== null)).toEqual([false, true, true, true])
    expect(keys.sources[source]).toMatchObject({ lines: 10, sessions: 10, dropped: 7, used: 3, damaged: 0 })
  })

  it('joins what several sources say of one session; the first word counts', () => {
    const keys = new KeyStore(3)
    const [a, b] = [keys.begin(), keys.begin()]
    keys.addText(a, `CLIENT_TRAFFIC_SECRET_0 ${random(1)} ${'11'.repeat(32)}`)
    keys.addText(
      b,
      `SERVER_TRAFFIC_SECRET_0 ${random(1)} ${'22'.repeat(32)}\nCLIENT_TRAFFIC_SECRET_0 ${random(1)} ${'33'.repeat(32)}`,
    )
    const found = keys.find(random(1))!
    expect(found.traffic[Secret13.client]![0]).toBe(0x11)
    expect(found.traffic[Secret13.server]![0]).toBe(0x22)
    expect([keys.sources[a]!.sessions, keys.sources[b]!.sessions]).toEqual([1, 0])
  })

  it('names the sessions that were looked for in vain, once', () => {
    const keys = new KeyStore(3)
    keys.miss(random(5))
    expect([...keys.takeMissed()]).toEqual([random(5)])
    expect([...keys.takeMissed()]).toEqual([])
  })

  it('takes any text without complaint', () => {
    const word = fc.constantFrom(
      'CLIENT_RANDOM',
      'RSA',
      'SERVER_TRAFFIC_SECRET_0',
      'ECH_SECRET',
      '#',
      '',
      random(1),
      'ab'.repeat(48),
      '\r',
      '\0',
      'zz',
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 5 }).map((w) => w.join(' ')),
    )
    fc.assert(
      fc.property(fc.array(text, { maxLength: 20 }), (lines) => {
        const keys = new KeyStore(2)
        const source = keys.begin()
        keys.addText(source, lines.join('\n'))
        const { lines: read, damaged } = keys.sources[source]!
        expect(damaged).toBeLessThanOrEqual(read)
        for (const w of lines) keys.find(w)
      }),
    )
  })

  it('takes any bytes for a private key, and says no', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(new KeyStore(1).addRsaKey(bytes)).toBe(false)
      }),
      { numRuns: 30 },
    )
  })
})
