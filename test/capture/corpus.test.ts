/** Every capture that other projects made: frames and times as Wireshark's tools see them, bytes as pcap-parser sees them. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { openInput } from '../../src/capture/input.ts'
import { secondOpinion } from '../../src/capture/second-opinion.ts'
import { isCapture } from '../../src/capture/source.ts'
import { CAPTURES, itNeeds, needs } from '../kit/require.ts'
import { type Reading, readFile, unixTime } from './kit.ts'

const CORPORA = join(CAPTURES, 'corpora')
const TRUTH = '.truth.json'
const captures = existsSync(CORPORA)
  ? readdirSync(CORPORA, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith(TRUTH))
      .map((name) => join(CORPORA, name.slice(0, -TRUTH.length)))
      .sort()
  : []
/** Versions that Wireshark refuses, and we read: then a plain walk over the records is the truth. */
const REFUSED = /major version|SHB version/

/** Times near 2^64 µs (tshark prints them as we do), and 8,915,240 µs in one second, cut to 32 bits of nanoseconds. */
const CAPINFOS_OVERFLOWS = ['pcapplusplus-pcapng-example.pcapng', 'tcpflow-bug8.pcap']

async function readings(): Promise<Map<string, Reading>> {
  const all = new Map<string, Reading>()
  for (const path of captures) {
    const input = await openInput(path)
    input.close()
    if (isCapture(input.kind)) all.set(path, await readFile(path))
  }
  return all
}

needs(CORPORA)('captures of other projects', () => {
  let read: Map<string, Reading>
  beforeAll(async () => {
    read = await readings()
  })

  it('all but the one that is no capture are recognised', () => {
    expect(captures.filter((path) => !read.has(path)).map((path) => path.split('/').at(-1))).toEqual([
      'nodepcap-malformed.pcap',
    ])
  })

  it('frames are as many as the ground truth says, numbered in order', () => {
    for (const [path, { frames, info }] of read) {
      const truth = JSON.parse(readFileSync(path + TRUTH, 'utf8'))
      const refused = (truth.tshark_errors ?? []).some((line: string) => REFUSED.test(line))
      expect([path, frames.length]).toEqual([path, refused ? truth.container.packets_walked : truth.packets])
      expect([path, info.packets]).toEqual([path, frames.length])
      if (truth.packets_tshark_frames !== undefined && !refused)
        expect([path, info.frames]).toEqual([path, truth.packets_tshark_frames])
    }
  })

  it('the file header is described as the ground truth describes it', () => {
    for (const [path, { info }] of read) {
      const { container } = JSON.parse(readFileSync(path + TRUTH, 'utf8'))
      const endian = info.endianness === 'mixed' ? container.endian : info.endianness === 'big' ? 'BE' : 'LE'
      expect([path, endian]).toEqual([path, container.endian])
      expect([path, info.version]).toEqual([path, container.version])
      expect([path, info.sections]).toEqual([path, container.sections ?? 1])
      expect([path, info.linkTypes]).toEqual([path, [...new Set(container.linktypes)]])
    }
  })

  itNeeds('capinfos')('first and last times are those of capinfos', () => {
    const paths = [...read.keys()]
    const table = spawnSync('capinfos', ['-T', '-m', '-r', '-S', '-a', '-e', ...paths], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    })
    const rows = table.stdout
      .trim()
      .split('\n')
      .map((line) => line.split(','))
    let compared = 0
    for (const [path, first, last] of rows) {
      const reading = read.get(path!)
      // n/a: no packets, or packets without a time.
      if (reading === undefined || !/^\d/.test(first!) || !/^\d/.test(last!)) continue
      if (reading.anomalies.some((a) => a.kind === 'capture.version')) continue
      if (CAPINFOS_OVERFLOWS.some((name) => path!.endsWith(name))) continue
      const { info, epoch } = reading
      expect(nanosecondsApart(unixTime(epoch, info.firstAt!), first!), path).toBeLessThanOrEqual(
        exactness(info.firstAt!),
      )
      expect(nanosecondsApart(unixTime(epoch, info.lastAt!), last!), path).toBeLessThanOrEqual(exactness(info.lastAt!))
      compared++
    }
    expect(compared).toBeGreaterThan(250)
  })

  it('small chunks of the file give the same frames', async () => {
    for (const path of [...read.keys()].filter((_, i) => i % 6 === 0)) {
      expect([path, (await readFile(path, 100)).frames]).toEqual([path, read.get(path)!.frames])
    }
  })

  it('pcap-parser agrees, frame by frame, on every classic capture', async () => {
    let agreed = 0
    for (const path of read.keys()) {
      const opinion = await secondOpinion(path)
      if (!opinion.supported) continue
      expect([path, opinion]).toEqual([path, { supported: true, agrees: true, frames: read.get(path)!.frames.length }])
      agreed++
    }
    expect(agreed).toBeGreaterThan(200)
  })
})

/** Nanoseconds between two times written as decimal numbers. */
function nanosecondsApart(a: string, b: string): number {
  const exact = (time: string): bigint => {
    const [seconds, fraction = ''] = time.split('.')
    return BigInt(seconds!) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
  }
  return Math.abs(Number(exact(a) - exact(b)))
}

/** An Instant is exact within 104 days of the first packet, and to a microsecond beyond (core/time.ts). */
const exactness = (at: number): number => (Math.abs(at) < Number.MAX_SAFE_INTEGER ? 0 : 1000)
