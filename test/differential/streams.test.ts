/**
 * Streams as tshark numbers them, who ended them, and their bytes put together the plainest way, for every capture in which TCP or
 * MySQL is the point. Retransmissions are counted from tshark's sequence numbers and not from its tcp.analysis.retransmission, which
 * also takes the late first sighting of a segment for one, when its first copy was lost before it reached the capture.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { CAPTURES, needs } from '../kit/require.ts'
import { captureFiles, type Row, tsharkRows, tsharkRowsOfAll } from '../kit/tshark.ts'
import { readStreams, type Streams } from './layers.ts'
import { FIELDS, type OracleStream, reassemble, type Segment, segmentsOf } from './tshark-streams.ts'

const FOLDERS = ['corpora/tcp', 'corpora/mysql', 'incidents'].map((f) => join(CAPTURES, f))
const INNERMOST = ['-E', 'occurrence=l']
const files = FOLDERS.filter((f) => existsSync(f)).flatMap(captureFiles)
const nameOf = (path: string): string => path.slice(CAPTURES.length + 1)

/** Where our count of retransmissions is another: a segment that fills a hole counts as late, though its end was here before. */
const HALF_NEW = [
  'corpora/tcp/arkime-http-tcp-seq-issue.pcap',
  'corpora/tcp/wireshark-tcp-badsegments.pcap',
  'corpora/tcp/zeek-reassembly.pcap',
]

/** One line for each thing to compare, so that a difference names itself. */
function story(s: OracleStream | Streams['streams'][number], withDigest: (who: string) => boolean): string[] {
  const end = s.firstToEnd === null ? 'nobody' : `${s.firstToEnd.who} in frame ${s.firstToEnd.frame}`
  const lines = [`stream ${s.stream}: first FIN or RST: ${end}`]
  for (const who of [...s.sides.keys()].sort()) {
    const side = s.sides.get(who)!
    if (side.bytes > 0) lines.push(`stream ${s.stream}: ${who}: ${side.bytes} bytes`)
    if (withDigest(who)) lines.push(`stream ${s.stream}: ${who}: ${side.sha1}`)
  }
  return lines
}

function repeats(s: OracleStream | Streams['streams'][number]): string[] {
  return [...s.sides]
    .map(([who, side]) => ({ who, n: 'repeats' in side ? side.repeats : side.retransmissions }))
    .filter(({ n }) => n > 0)
    .map(({ who, n }) => `stream ${s.stream}: ${who}: ${n} retransmissions`)
    .sort()
}

interface Comparison {
  ours: string[]
  theirs: string[]
  oursRepeat: string[]
  theirsRepeat: string[]
}

function compare(own: Streams, segments: readonly Segment[]): Comparison {
  const want = reassemble(segments, own.duplicates)
  const mine = want.map((w) => own.streams[w.stream]).filter((s) => s !== undefined)
  const whole = (w: OracleStream | undefined) => (who: string) => typeof w?.sides.get(who)?.sha1 === 'string'
  return {
    ours: [
      ...[...own.streamOf].map(([frame, stream]) => `frame ${frame}: stream ${stream}`),
      ...mine.flatMap((s) => story(s, whole(want.find((w) => w.stream === s.stream)))),
    ],
    theirs: [
      ...segments.map((s) => `frame ${s.frame}: stream ${s.stream}`),
      ...want.flatMap((w) => story(w, whole(w))),
    ],
    oursRepeat: mine.flatMap(repeats),
    theirsRepeat: want.flatMap(repeats),
  }
}

needs(
  'tshark',
  'mergecap',
  'capinfos',
  ...FOLDERS,
)('streams as tshark sees them', () => {
  let theirs = new Map<string, Row[]>()
  beforeAll(() => {
    theirs = tsharkRowsOfAll(files, 'tcp', FIELDS, INNERMOST)
  }, 300_000)

  it.each(files.map(nameOf))('%s', async (name) => {
    const path = join(CAPTURES, name)
    const own = await readStreams(path)
    let c = compare(own, segmentsOf(theirs.get(path)!))
    // In a file joined of many, a stream can go on from one to the next: then ask about this one alone.
    const same = c.ours.join('\n') === c.theirs.join('\n') && c.oursRepeat.join() === c.theirsRepeat.join()
    if (!same) c = compare(own, segmentsOf(tsharkRows(path, 'tcp', FIELDS, INNERMOST)))
    expect(c.ours).toEqual(c.theirs)
    if (HALF_NEW.includes(name)) expect(c.oursRepeat).not.toEqual(c.theirsRepeat)
    else expect(c.oursRepeat).toEqual(c.theirsRepeat)
  })
})
