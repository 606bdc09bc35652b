/** Where a finding stands, for formats that know files and lines only: the line is the frame number in a capture. */
import type { Evidence, Finding, InputReport, Occurrence, Report } from './model.ts'
import { isLost } from './words.ts'

export interface Place {
  /** Path as the user gave it, with / between folders. */
  path: string
  /** Frame number of a capture, line of a log; at least 1. */
  line: number
  says: string
}

/** The occurrence that costs most stands for all. */
export const leadOf = (f: Finding): Occurrence | undefined =>
  f.occurrences.find((o) => isLost(o.outcome)) ?? f.occurrences[0]

/** The place that a piece of evidence names, null for silences and measures. */
export function placeOf(e: Evidence, inputs: ReadonlyMap<string, InputReport>): Place | null {
  if (e.kind !== 'frames' && e.kind !== 'log') return null
  const path = pathOf(inputs.get(e.input)?.path ?? e.input)
  return { path, line: Math.max(1, e.kind === 'log' ? e.line : (e.frames[0] ?? 1)), says: e.says }
}

/** All places of an occurrence; its session's first input when no evidence names one. */
export function placesOf(o: Occurrence, inputs: ReadonlyMap<string, InputReport>): Place[] {
  const places = o.evidence.map((e) => placeOf(e, inputs)).filter((p) => p !== null)
  if (places.length > 0) return places
  const name = o.session.slice(0, o.session.lastIndexOf(':'))
  return [{ path: pathOf(inputs.get(name)?.path ?? name), line: 1, says: o.session }]
}

/** The place where the eye should go first: the last frame named by the lead occurrence, which is the cut or what followed. */
export function mainPlace(f: Finding, inputs: ReadonlyMap<string, InputReport>): Place {
  const lead = leadOf(f)
  return lead === undefined ? { path: 'stdin', line: 1, says: '' } : placesOf(lead, inputs)[0]!
}

export const inputIndex = (report: Report): Map<string, InputReport> => new Map(report.inputs.map((i) => [i.name, i]))

const pathOf = (path: string): string => (path === '-' ? 'stdin' : path.replaceAll('\\', '/').replace(/^\.\//, ''))
