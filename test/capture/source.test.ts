import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expandInputs } from '../../src/capture/expand-inputs.ts'
import { openInput } from '../../src/capture/input.ts'
import {
  decryptionSecrets,
  enhancedPacket,
  interfaceDescription,
  sectionHeader,
} from '../../src/capture/pcapng-writer.ts'
import { secondOpinion } from '../../src/capture/second-opinion.ts'
import { openCapture, peekFirstPacket } from '../../src/capture/source.ts'
import { AnomalyLog } from '../../src/core/anomaly.ts'
import { Epoch } from '../../src/core/time.ts'
import { itNeeds } from '../kit/require.ts'
import { bytesOf, concat, kinds, pcapHeader, pcapRecord, readFile } from './kit.ts'

const SECOND = 1_700_000_000
const hasZstd = spawnSync('zstd', ['--version']).status === 0
/** Bytes that do not compress to nothing. */
const noise = (i: number, length = 700) => bytesOf(length, 0).map((_, k) => Math.imul(i * 977 + k, 2654435761) >>> 24)
const records = (count: number, from = 0) =>
  concat(...Array.from({ length: count }, (_, i) => pcapRecord({ seconds: SECOND + from + i, data: noise(from + i) })))

let dir: string
const file = (name: string, bytes: Uint8Array | string): string => {
  const path = join(dir, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, bytes)
  return path
}
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mysqlconn-source-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const codeOf = async (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => 'no error',
    (e) => `${e.code}: ${e.message}`,
  )

describe('openCapture', () => {
  const whole = concat(pcapHeader(), records(2000))

  it('reads the same frames plain, gzip, gzip of several members, zstd, zstd of several frames', async () => {
    const plain = await readFile(file('plain.pcap', whole))
    expect(plain.frames).toHaveLength(2000)
    expect(plain.info).toMatchObject({
      format: 'pcap',
      compression: 'none',
      bytes: whole.length,
      linkTypeNames: ['EN10MB'],
    })
    const half = whole.length >> 1
    const members = concat(gzipSync(whole.subarray(0, half)), gzipSync(whole.subarray(half)))
    for (const packed of [file('one.gz', gzipSync(whole)), file('members.gz', members)]) {
      const reading = await readFile(packed)
      expect(reading.frames).toEqual(plain.frames)
      expect(reading.info).toMatchObject({ format: 'pcap.gz', compression: 'gzip' })
      expect(reading.anomalies).toEqual([])
    }
    if (!hasZstd) return
    const zstd = (bytes: Uint8Array) => execFileSync('zstd', ['-q', '-c'], { input: bytes })
    const frames = concat(
      zstd(whole.subarray(0, half)),
      Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9),
      zstd(whole.subarray(half)),
    )
    for (const packed of [
      file('one.zst', zstd(whole)),
      file('frames.zst', frames),
      file(
        'skip.zst',
        concat(frames.subarray(0, 0), Uint8Array.of(0x5a, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9), zstd(whole)),
      ),
    ]) {
      const reading = await readFile(packed)
      expect(reading.frames).toEqual(plain.frames)
      expect(reading.info.format).toBe('pcap.zst')
      expect(reading.anomalies).toEqual([])
    }
  })

  it('reads what precedes the break of a compressed file, and says where it broke', async () => {
    const gz = gzipSync(whole)
    const flipped = gz.map((byte, i) => (i > gz.length * 0.7 && i < gz.length * 0.7 + 40 ? byte ^ 0x5a : byte))
    for (const bytes of [gz.subarray(0, gz.length >> 1), flipped]) {
      const reading = await readFile(file('broken.pcap.gz', bytes))
      expect(reading.frames.length).toBeGreaterThan(bytes === flipped ? 700 : 900)
      expect(reading.frames[0]!.time).toBe('1700000000.000000000')
      expect(kinds(reading)).toContain('capture.compressed-damaged')
    }
  })

  itNeeds('zstd')('the same for zstd', async () => {
    const zst = Uint8Array.from(execFileSync('zstd', ['-q', '-c'], { input: whole }))
    const flipped = zst.map((byte, i) => (i > zst.length * 0.7 && i < zst.length * 0.7 + 40 ? byte ^ 0x5a : byte))
    const garbage = concat(zst, bytesOf(100, 0x11))
    for (const bytes of [zst.subarray(0, zst.length >> 1), flipped, garbage]) {
      const reading = await readFile(file('broken.pcap.zst', bytes))
      expect(reading.frames.length).toBeGreaterThan(700)
      expect(kinds(reading)).toContain('capture.compressed-damaged')
    }
  })

  it('streams a pipe, plain and compressed, with the same result', async () => {
    for (const bytes of [whole, gzipSync(whole)]) {
      const fifo = join(dir, `fifo-${bytes.length}`)
      execFileSync('mkfifo', [fifo])
      const source = file(`for-fifo-${bytes.length}`, bytes)
      const writer = spawn('sh', ['-c', `cat '${source}' > '${fifo}'`])
      const reading = await readFile(fifo)
      expect(reading.frames).toHaveLength(2000)
      expect(reading.info.bytes).toBe(bytes.length)
      writer.kill()
    }
  })

  it('grows its buffer for one large record only, and reads on behind it', async () => {
    const large = concat(
      sectionHeader(),
      interfaceDescription({ linkType: 1 }),
      enhancedPacket({ unixSeconds: SECOND, nanoseconds: 0, bytes: noise(1, 3 << 20) }),
      decryptionSecrets('x'.repeat(5 << 20)),
      enhancedPacket({ unixSeconds: SECOND, nanoseconds: 1, bytes: noise(2) }),
    )
    const reading = await readFile(file('large.pcapng', large), 64 << 10)
    expect(reading.frames.map((f) => f.bytes.length / 2)).toEqual([3 << 20, 700])
    expect(reading.secrets[0]).toHaveLength(5 << 20)
  })

  it('reports an empty file and a capture without packets as an empty capture', async () => {
    for (const path of [file('zero.pcap', ''), file('header.pcap', pcapHeader()), file('zero.gz', gzipSync(''))]) {
      const reading = await readFile(path)
      expect(kinds(reading)).toContain('capture.empty')
      expect(reading.info.packets).toBe(0)
    }
  })

  it('tells progress, and stops at once when the signal is set', async () => {
    const path = file('stop.pcap', whole)
    const seen: number[] = []
    let count = 0
    const signal = { aborted: false }
    const capture = await openCapture(path, {
      epoch: new Epoch(),
      anomalies: new AnomalyLog(),
      sink: { packet: () => void count++ },
      onProgress: (read, total) => {
        expect(total).toBe(whole.length)
        signal.aborted = seen.push(read) === 3
      },
      signal,
      chunkBytes: 10_000,
    })
    expect(await capture.run()).toBe(false)
    expect(seen).toHaveLength(3)
    expect(count).toBeGreaterThan(0)
    expect(count).toBeLessThan(100)
    expect(capture.info.packets).toBe(count)
  })

  it('refuses, in plain words, what is no capture or cannot be opened', async () => {
    const open = (path: string) =>
      codeOf(openCapture(path, { epoch: new Epoch(), anomalies: new AnomalyLog(), sink: { packet() {} } }))
    expect(await open(join(dir, 'nowhere.pcap'))).toBe(`E_INPUT_OPEN: cannot open ${dir}/nowhere.pcap: no such file`)
    expect(await open(dir)).toContain('E_INPUT_OPEN: cannot read')
    expect(await open(file('a.log', 'hello\n'))).toContain('E_INPUT_UNRECOGNISED')
    expect(await open(file('a.xz', Uint8Array.of(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, 0, 0)))).toContain(
      'an xz file: decompress it first (xz -d)',
    )
    expect(await open(file('twice.gz', gzipSync(gzipSync(whole))))).toContain('compressed twice')
  })
})

describe('openInput', () => {
  it('shows what is inside a compressed log or key log', async () => {
    const log = await openInput(file('haproxy.log.gz', gzipSync('Nov 20 17:10:00 lb haproxy[1]: hello\n')))
    expect([log.kind, log.compression]).toEqual(['text', 'gzip'])
    expect(Buffer.from(log.head).toString()).toContain('haproxy[1]')
    log.close()
  })
})

describe('peekFirstPacket', () => {
  it('gives the first time, format and link types without reading the file', async () => {
    const path = file(
      'peek.pcap',
      concat(
        pcapHeader({ magic: 0xa1b23c4d }),
        pcapRecord({ seconds: SECOND, fraction: 17, data: noise(1) }),
        records(3000, 1),
      ),
    )
    const first = { unixSeconds: SECOND, nanoseconds: 17, linkTypes: [1] }
    expect(await peekFirstPacket(path)).toEqual({ ...first, format: 'pcap' })
    expect(await peekFirstPacket(file('peek.log', 'text\n'))).toBeNull()
    expect(await peekFirstPacket(file('peek-empty.pcap', pcapHeader()))).toBeNull()
    if (!hasZstd) return
    execFileSync('zstd', ['-q', '-f', path])
    for (let i = 0; i < 20; i++) expect(await peekFirstPacket(`${path}.zst`)).toEqual({ ...first, format: 'pcap.zst' })
  })
})

describe('expandInputs', () => {
  it('takes files as given, folders and patterns by content, each file once, in a stable order', async () => {
    const capture = concat(pcapHeader(), records(1))
    file('tree/b/two.dat', capture)
    file('tree/b/deep/three.pcapng', concat(sectionHeader()))
    file('tree/a.pcap.gz', gzipSync(capture))
    file('tree/z.log', 'a line of text\n')
    file('tree/keys.txt', `# comment\nCLIENT_RANDOM ${'a'.repeat(64)} ${'b'.repeat(96)}\n`)
    file('tree/picture.png', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 1))
    file('tree/.hidden/x.pcap', capture)
    symlinkSync(join(dir, 'tree'), join(dir, 'tree/loop'))
    const names = async (...paths: string[]) =>
      (await expandInputs(paths.map((p) => (p === '-' ? p : join(dir, p))))).map(
        (i) => `${i.path.replace(`${dir}/`, '')} ${i.kind}`,
      )

    expect(await names('tree')).toEqual([
      'tree/a.pcap.gz pcap',
      'tree/b/deep/three.pcapng pcapng',
      'tree/b/two.dat pcap',
      'tree/keys.txt keylog',
      'tree/z.log text',
    ])
    expect(await names('tree/z.log', '-', 'tree/b/two.dat', 'tree/b')).toEqual([
      'tree/z.log text',
      '- stream',
      'tree/b/two.dat pcap',
      'tree/b/deep/three.pcapng pcapng',
    ])
    expect(await names('tree/**/*.pcapng')).toEqual(['tree/b/deep/three.pcapng pcapng'])
    expect(await names('tree/**')).toHaveLength(5)
    expect(await names('tree/*.{gz,log}')).toEqual(['tree/a.pcap.gz pcap', 'tree/z.log text'])
    expect(await names('tree/[a-b]*')).toEqual([
      'tree/a.pcap.gz pcap',
      'tree/b/deep/three.pcapng pcapng',
      'tree/b/two.dat pcap',
    ])
    expect(await names('tree/?.l[!a-n]g')).toEqual(['tree/z.log text'])
  })

  it('prefers a file whose name looks like a pattern, and names what does not exist', async () => {
    file('odd[1].pcap', concat(pcapHeader(), records(1)))
    expect(await expandInputs([join(dir, 'odd[1].pcap')])).toMatchObject([{ kind: 'pcap', explicit: true }])
    expect(await codeOf(expandInputs([join(dir, 'no*such')]))).toBe(`E_INPUT_OPEN: no file matches ${dir}/no*such`)
    expect(await codeOf(expandInputs([join(dir, 'none.pcap')]))).toContain('no such file')
    mkdirSync(join(dir, 'void'))
    expect(await codeOf(expandInputs([join(dir, 'void')]))).toContain('E_INPUT_OPEN: no capture')
  })

  it.skipIf(process.getuid?.() === 0)('says that a file may not be read (skipped as root)', async () => {
    const path = file('secret.pcap', pcapHeader())
    chmodSync(path, 0)
    expect(await codeOf(expandInputs([path]))).toContain('permission denied')
  })
})

describe('secondOpinion', () => {
  it('agrees on a sound file, names the first frame that differs, and says what it cannot read', async () => {
    const sound = file('sound.pcap', concat(pcapHeader(), records(300)))
    expect(await secondOpinion(sound)).toEqual({ supported: true, agrees: true, frames: 300 })
    // A file from before 2.3 has its lengths swapped, which pcap-parser does not know.
    const old = pcapRecord({ seconds: SECOND, data: noise(1, 60), captured: 90, original: 60 })
    expect(
      await secondOpinion(file('old.pcap', concat(pcapHeader({ version: [2, 2] }), old, records(5)))),
    ).toMatchObject({
      agrees: false,
      frame: 1,
      ours: { capturedLength: 60, originalLength: 90 },
    })
    expect(await secondOpinion(file('ns.pcap', pcapHeader({ magic: 0xa1b23c4d })))).toMatchObject({ supported: false })
    expect(await secondOpinion(file('x.pcapng', sectionHeader()))).toMatchObject({
      supported: false,
      why: expect.stringContaining('pcapng'),
    })
    expect(await secondOpinion(file('x.pcap.gz', gzipSync(pcapHeader())))).toMatchObject({
      supported: false,
      why: expect.stringContaining('gzip'),
    })
  })
})
