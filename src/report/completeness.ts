/**
 * What an input could not show, what that costs, and how to capture so that it can: for the "nothing found" screen, the
 * limits section and --strict (contract.md sections 2 and 5).
 */
import { ANOMALY_KINDS, type AnomalyName } from '../core/anomaly.ts'
import type { AnomalyReport, InputReport, Report, SessionReport } from './model.ts'

/**
 * Kinds that accuse the capture but take nothing from the evidence: copies, offload and blocks that the format itself tells
 * readers to skip.
 */
const HARMLESS: ReadonlySet<AnomalyName> = new Set<AnomalyName>([
  'packet.bad-checksum',
  'packet.offload',
  'capture.duplicate-frames',
  'capture.unknown-block',
])

/** Nothing is missing from such a capture: it cannot show more. They limit the answer, but --strict does not fail on them. */
const NOT_ITS_FAULT: ReadonlySet<AnomalyName> = new Set<AnomalyName>([
  'capture.midstream',
  'capture.tls-no-keys',
  'capture.no-mysql',
  'tls.handshake-unseen',
])

/** Said with their share of all sessions in Summary.blind, so the text need not say them again. */
const SAID_IN_WORDS: ReadonlySet<AnomalyName> = new Set<AnomalyName>([
  'capture.midstream',
  'capture.tls-no-keys',
  'capture.no-mysql',
])

const TLS_ADVICE =
  'have a client or proxy write a TLS key log while you capture (SSLKEYLOGFILE) and give it with --keylog; start before the connections open'

/** How to capture right, by what went wrong. */
const BETTER: Partial<Record<AnomalyName, string>> = {
  'capture.empty': 'check the interface and the filter: tcpdump must count packets when it ends',
  'capture.truncated-tail':
    'end tcpdump with Ctrl-C or SIGTERM and copy the file afterwards; -U writes each packet at once',
  'capture.snaplen': 'capture whole packets: -s 0',
  'packet.truncated-header': 'capture whole packets: -s 0',
  'mysql.truncated-message': 'capture whole packets: -s 0',
  'capture.kernel-drops': 'give the capture a larger buffer (-B 65536) and a narrower filter, and write to a fast disk',
  'capture.lost-segments':
    'give the capture a larger buffer (-B 65536) and a narrower filter, and write to a fast disk',
  'capture.one-direction':
    'capture where both directions pass: on the client, proxy or server itself, not on one leg of a mirror',
  'capture.midstream': 'start the capture before the connections open, or restart the pool while it runs',
  'mysql.inferred': 'start the capture before the connections open, or restart the pool while it runs',
  'capture.tls-no-keys': TLS_ADVICE,
  'tls.handshake-unseen': TLS_ADVICE,
  'keylog.no-match': 'record the key log in the process whose connections are captured, at the same time',
  'capture.no-mysql': 'name the port with --port, or capture on the database or proxy host, before the logins',
  'capture.unknown-link-type': 'capture on an Ethernet or loopback interface, or with -i any',
}

export interface Limit {
  input: string
  anomaly: AnomalyReport
}

/** Whether this anomaly takes something from the evidence that the capture should have held. */
export function costsEvidence(a: AnomalyReport): boolean {
  return ANOMALY_KINDS[a.kind].accuses === 'capture' && !HARMLESS.has(a.kind) && !NOT_ITS_FAULT.has(a.kind)
}

/** Whether the summary's own words about what could not be seen leave this anomaly to be told. */
export const needsTelling = (a: AnomalyReport): boolean => !SAID_IN_WORDS.has(a.kind)

/** How to capture so that this does not happen, null when there is nothing to do about it. */
export const betterCapture = (kind: AnomalyName): string | null => BETTER[kind] ?? null

/** Everything that makes the evidence incomplete, in order of input; what --strict fails on. */
export function incompleteEvidence(report: Report): Limit[] {
  return limitsOf(report, costsEvidence)
}

/** Everything worth a line to the reader: the above, and limits of ours, of logs and of the network's packets. */
export function notableLimits(report: Report): Limit[] {
  return limitsOf(report, (a) => !HARMLESS.has(a.kind))
}

function limitsOf(report: Report, wanted: (a: AnomalyReport) => boolean): Limit[] {
  return report.inputs.flatMap((i) => i.anomalies.filter(wanted).map((anomaly) => ({ input: i.name, anomaly })))
}

/** How to capture better next time, one line per distinct advice. */
export function captureAdvice(limits: readonly Limit[], sessions: readonly SessionReport[] = []): string[] {
  const advice = limits.map((l) => BETTER[l.anomaly.kind]).filter((s) => s !== undefined)
  if (sessions.some((s) => s.tls !== null && !s.tls.decrypted)) advice.push(TLS_ADVICE)
  return [...new Set(advice)]
}

/** The tcpdump line that sees everything on the MySQL ports that were seen (3306 when none was). */
export function tcpdumpLine(ports: readonly number[]): string {
  const seen = [...new Set(ports)].sort((a, b) => a - b).slice(0, 4)
  const filter = (seen.length === 0 ? [3306] : seen).map((p) => `tcp port ${p}`).join(' or ')
  return `tcpdump -i any -s 0 -B 65536 -w mysql.pcap '${filter}'`
}

/** Server ports of the sessions of a report. */
export function serverPorts(report: Report): number[] {
  return report.sessions.map((s) => Number(s.server.slice(s.server.lastIndexOf(':') + 1)))
}

/** Whether packets were read at all. */
export const sawPackets = (inputs: readonly InputReport[]): boolean => inputs.some((i) => (i.packets ?? 0) > 0)
