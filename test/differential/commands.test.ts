/**
 * Frames of COM_QUERY: where tshark completes a mysql.query and where our conversation does must be the same, on the port that tshark
 * knows. A statement is cited by its frame in every finding, so a count alone would not do.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { initZstd } from '../../src/mysql/zstd.ts'
import { CAPTURES, needs } from '../kit/require.ts'
import { captureFiles, type Row, tsharkRows, tsharkRowsOfAll } from '../kit/tshark.ts'
import { read } from '../mysql/read-capture.ts'
import { readStreams } from './layers.ts'

const FOLDERS = ['corpora/mysql', 'incidents'].map((f) => join(CAPTURES, f))
const files = FOLDERS.filter((f) => existsSync(f)).flatMap(captureFiles)
const nameOf = (path: string): string => path.slice(CAPTURES.length + 1)
const COM_QUERY = '3'
const FILTER = `mysql.command == ${COM_QUERY}`
const FIELDS = ['frame.number', 'mysql.command']

/** Where tshark 4.0 reads another number of statements, and why it is wrong. */
const DIFFERENT: Record<string, string> = {
  'corpora/mysql/deepflow-mysql-use.pcap': 'compressed, and begun before the capture: tshark reads a COM_SLEEP',
  'corpora/mysql/pcap2mysql-compressed-data-missing.pcap': 'the INSERT of frame 12 is compressed in pieces',
  'incidents/pollution-time-zone-mysql2/capture.pcap':
    'frame 22 is a password of 256 bytes, encrypted with RSA (sequence id 5), whose first byte happens to be 3',
  'incidents/proto-zlib-mariadb/capture.pcap':
    'frames 115 and 175 end an INSERT of 40,037 bytes, compressed, its header in a segment of its own: tshark 4.0 reads no command',
  'incidents/proto-zstd-mysql97/capture.pcap': 'tshark 4.0 does not know zstd compression',
  'incidents/proxy-protocol-v2-control/capture.pcap': 'behind a PROXY header of version 2 tshark sees no MySQL',
  'incidents/proxy-protocol-v2-idle-kill/capture.pcap': 'behind a PROXY header of version 2 tshark sees no MySQL',
}

/** `frame frame frame`, one entry per statement. */
const tsharkFrames = (rows: readonly Row[]): number[] =>
  rows.flatMap(([frame, commands]) =>
    commands!
      .split(',')
      .filter((c) => c === COM_QUERY)
      .map(() => Number(frame)),
  )

async function ourFrames(path: string): Promise<number[]> {
  const { streams } = await readStreams(path)
  const onPort = (stream: number): boolean => [...streams[stream]!.sides.keys()].some((who) => who.endsWith(':3306'))
  const { stories } = await read(path)
  const frames: number[] = []
  for (const { stream, heard } of stories) {
    if (!onPort(stream)) continue
    const names = heard.facts.filter((f) => /^COM_\w+.*\[\d+\]( #\d+)?$/s.test(f))
    heard.frames.forEach((frame, i) => {
      if (names[i]!.startsWith('COM_QUERY ')) frames.push(frame)
    })
  }
  return frames.sort((a, b) => a - b)
}

needs(
  'tshark',
  'mergecap',
  'capinfos',
  ...FOLDERS,
)('frames of COM_QUERY as tshark sees them', () => {
  let theirs = new Map<string, Row[]>()
  beforeAll(async () => {
    await initZstd()
    theirs = tsharkRowsOfAll(files, FILTER, FIELDS)
  }, 300_000)

  it.each(files.map(nameOf))('%s', async (name) => {
    const path = join(CAPTURES, name)
    const ours = await ourFrames(path)
    let want = tsharkFrames(theirs.get(path)!)
    if (want.join() !== ours.join()) want = tsharkFrames(tsharkRows(path, FILTER, FIELDS))
    if (DIFFERENT[name] !== undefined) expect(ours, DIFFERENT[name]).not.toEqual(want)
    else expect(ours).toEqual(want)
  })
})
