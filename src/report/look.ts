/** Commands that show a finding with other eyes: ours and Wireshark's, ready to paste. */
import type { Evidence, Finding, InputReport, Report } from './model.ts'
import { shellWord } from './words.ts'

/** More inputs than this are cut down to those that the evidence names. */
const FEW_INPUTS = 4

/** The paths to name again in a command about these findings. */
export function pathsFor(report: Report, findings: readonly Finding[]): string[] {
  if (report.inputs.length <= FEW_INPUTS) return report.inputs.map((i) => i.path)
  const named = new Set<string>()
  for (const f of findings) {
    for (const o of f.occurrences.slice(0, 1)) {
      named.add(o.session.slice(0, o.session.lastIndexOf(':')))
      for (const e of o.evidence) if (e.kind === 'frames' || e.kind === 'log') named.add(e.input)
    }
  }
  if (named.size === 0)
    return report.inputs
      .filter((i) => i.kind === 'capture')
      .slice(0, FEW_INPUTS)
      .map((i) => i.path)
  return report.inputs.filter((i) => named.has(i.name) || i.kind === 'keylog').map((i) => i.path)
}

/** The paths to name again in a command about one session. */
export function pathsOf(report: Report, session: string): string[] {
  if (report.inputs.length <= FEW_INPUTS) return report.inputs.map((i) => i.path)
  const name = session.slice(0, session.lastIndexOf(':'))
  return report.inputs.filter((i) => i.name === name || i.kind === 'keylog').map((i) => i.path)
}

/** `mysqlconn sessions show ID INPUT...`. */
export function showCommand(session: string, paths: readonly string[]): string {
  return ['mysqlconn', 'sessions', 'show', session, ...paths].map(shellWord).join(' ')
}

/** `mysqlconn analyze --around FINDING INPUT...`: what every source says of the seconds around it. */
export function aroundCommand(finding: string, paths: readonly string[]): string {
  return ['mysqlconn', 'analyze', '--around', finding, ...paths].map(shellWord).join(' ')
}

/** `tshark -r FILE -Y 'FILTER'` for the first frames of the evidence; null when there are none or the input was stdin. */
export function tsharkCommand(evidence: readonly Evidence[], inputs: readonly InputReport[]): string | null {
  for (const e of evidence) {
    if (e.kind !== 'frames' || e.filter === '') continue
    const input = inputs.find((i) => i.name === e.input)
    if (input === undefined || input.path === '-') continue
    // tshark takes one key log.
    const [keyLog, ...more] = inputs.filter((i) => i.kind === 'keylog')
    const keys = keyLog === undefined || more.length > 0 ? '' : ` -o ${shellWord(`tls.keylog_file:${keyLog.path}`)}`
    return `tshark -r ${shellWord(input.path)}${keys} -Y '${e.filter.replaceAll("'", '"')}'`
  }
  return null
}
