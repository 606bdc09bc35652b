/**
 * Ring buffers: which captures are one recording cut into files. tcpdump -C/-G/-W and dumpcap -b write names that differ
 * only in a number or a time; read one after the other in order of time, connections go on from file to file.
 */
import { basename, dirname } from 'node:path'

export interface CaptureTime {
  unixSeconds: number
  nanoseconds: number
}

export interface SeriesFile {
  path: string
  /** CaptureInfo.format: only files of one format (compressed or not) are one series. */
  format: string
  /** Time of the first packet, null if it has none or cannot be read twice. */
  first: CaptureTime | null
  /** Time of the last packet, where known. */
  last?: CaptureTime | null
}

/** Files of one recording may overlap by this much: packets are not always written in order. */
const OVERLAP_SECONDS = 1

/**
 * The files grouped into recordings, each in order of its first packet; a recording stands where its first-named file stood.
 * Names that differ by a bare number before the ending (`db1.pcap`, `db2.pcap`) may as well be two vantage points: these are
 * one series only if the times of their last packets are known and show that each begins where another has ended.
 */
export function groupSeries<T extends SeriesFile>(files: readonly T[]): T[][] {
  const groups = new Map<string, { files: T[]; certain: boolean }>()
  files.forEach((file, index) => {
    const { name, by } = seriesName(basename(file.path))
    const format = file.format.replace(/\.(?:gz|zst)$/, '')
    const key = file.first === null ? `alone ${index}` : `${dirname(file.path)}\n${format}\n${name}`
    const group = groups.get(key) ?? { files: [], certain: true }
    group.files.push(file)
    if (by === 'number') group.certain = false
    groups.set(key, group)
  })
  return [...groups.values()].flatMap((group) => {
    if (group.files.length === 1) return [group.files]
    const ordered = [...group.files].sort((a, b) => compareTimes(a.first!, b.first!) || (a.path < b.path ? -1 : 1))
    const isSeries = followEachOther(ordered) ?? group.certain
    return isSeries ? [ordered] : group.files.map((file) => [file])
  })
}

/** Whether each file begins after the one before has ended; undefined where an end is unknown. */
function followEachOther(ordered: readonly SeriesFile[]): boolean | undefined {
  let known = true
  for (let i = 1; i < ordered.length; i++) {
    const last = ordered[i - 1]!.last
    if (last === undefined || last === null) known = false
    else if (compareTimes(last, ordered[i]!.first!) > OVERLAP_SECONDS) return false
  }
  return known ? true : undefined
}

/** Seconds from b to a. */
function compareTimes(a: CaptureTime, b: CaptureTime): number {
  return a.unixSeconds - b.unixSeconds + (a.nanoseconds - b.nanoseconds) / 1e9
}

/** The name without what varies within a series, and how sure we are that it varies for this reason. */
function seriesName(file: string): { name: string; by: 'nothing' | 'recorder' | 'number' } {
  const name = file.replace(/\.(?:gz|zst)$/, '')
  // dumpcap -b: name_00001_20261120171000.pcapng, or with nametimenum the other way round.
  const dumpcap = name.replace(/_(?:\d{5,}_\d{14}|\d{14}_\d{5,})(\.\w+)?$/, '_#$1')
  if (dumpcap !== name) return { name: dumpcap, by: 'recorder' }
  // tcpdump -C: name.pcap, name.pcap1, name.pcap2; with -W: name.pcap00, name.pcap01. tcpdump -G: a time of strftime, or %s.
  const tcpdump = name
    .replace(/(\.[A-Za-z]\w*?)\d+$/, '$1')
    .replace(/(?<!\d)(?:19|20)\d\d([-_.]?)\d\d\1\d\d(?:[-_.T ]?\d\d[-_.:]?\d\d(?:[-_.:]?\d\d)?)?(?!\d)/, '#')
    .replace(/(?<!\d)[12]\d{9}(?!\d)/, '#')
  if (tcpdump !== name) return { name: tcpdump, by: 'recorder' }
  const number = name.replace(/\d+(\.[A-Za-z]\w*)?$/, '#$1')
  return number === name ? { name, by: 'nothing' } : { name: number, by: 'number' }
}
