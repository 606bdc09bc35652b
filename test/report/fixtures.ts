/** Hand-made reports for renderers: small, complete, and fixed in time. */
import { ANOMALY_KINDS, type AnomalyName } from '../../src/core/anomaly.ts'
import type { AnomalyReport, Finding, Occurrence, Report, SessionReport } from '../../src/report/model.ts'
import { makeStyle, type Style } from '../../src/report/style.ts'

const UTF8 = { LC_ALL: 'C.UTF-8' }
export const plain: Style = makeStyle({ color: 'never', env: UTF8 })
export const colored: Style = makeStyle({ color: 'always', env: UTF8 })
export const wide: Style = makeStyle({ color: 'never', isTTY: true, columns: 120, env: UTF8 })
export const ascii: Style = makeStyle({ color: 'never', env: { LC_ALL: 'C' } })

export const text = (lines: Iterable<string>): string => [...lines].join('\n')
export const withoutColor = (s: string): string => s.replace(/\x1b\[[0-9;]*m/g, '')

export function anomaly(kind: AnomalyName, count = 1, firstFrame = 0, places: string[] = []): AnomalyReport {
  return { kind, count, firstFrame, means: ANOMALY_KINDS[kind].means, places }
}

export function session(stream: number, over: Partial<SessionReport> = {}): SessionReport {
  return {
    id: `capture.pcap:${stream}`,
    client: `10.20.0.10:${50_000 + stream}`,
    server: '10.20.0.30:3306',
    legOf: null,
    sameAs: [],
    vantage: 'unknown',
    startAt: '2026-11-20T17:10:00.000001Z',
    endAt: '2026-11-20T17:10:02.500001Z',
    firstFrame: 1 + stream * 10,
    lastFrame: 9 + stream * 10,
    connState: 'SF',
    history: 'ShADadFf',
    roleBy: 'syn',
    bytes: { client: 220, server: 810 },
    retransmissions: { client: 0, server: 0 },
    mysql: {
      serverVersion: '8.4.3',
      connectionId: 40 + stream,
      user: 'app',
      schema: 'shop',
      flavor: 'mysql',
      compression: 'none',
      attributes: { program_name: 'orders' },
      commands: { COM_QUERY: 3, COM_QUIT: 1 },
      errors: [],
      limits: [],
    },
    tls: null,
    ending: { how: 'fin', by: 'client', command: null, silenceSeconds: 0.25, outcome: 'answered' },
    ...over,
  }
}

export function occurrence(stream: number, over: Partial<Occurrence> = {}): Occurrence {
  return {
    session: `capture.pcap:${stream}`,
    client: `10.20.0.10:${50_000 + stream}`,
    server: '10.20.0.30:3306',
    at: '2026-11-20T17:10:02.400001Z',
    command: 'COM_QUERY',
    statement: "UPDATE account SET balance = 17 WHERE owner = 'Ann O''Hara'",
    outcome: 'delivered-unknown',
    evidence: [
      {
        kind: 'frames',
        input: 'capture.pcap',
        frames: [7],
        says: 'COM_QUERY sent',
        filter: `tcp.stream==${stream} && frame.number>=7`,
      },
      {
        kind: 'frames',
        input: 'capture.pcap',
        frames: [8, 9],
        says: 'RST from 10.20.0.30:3306',
        filter: `tcp.stream==${stream} && frame.number>=8`,
      },
      {
        kind: 'silence',
        from: '2026-11-20T17:10:00.400001Z',
        to: '2026-11-20T17:10:02.400001Z',
        says: 'nothing either way',
      },
      { kind: 'measure', name: 'from the command to the close', value: 2.0004, unit: 's', compared: 'no timer' },
    ],
    ...over,
  }
}

export function finding(over: Partial<Finding> = {}): Finding {
  return {
    id: 'rst-after-query:0badcafe',
    rule: 'rst-after-query',
    family: 'cut',
    severity: 'error',
    confidence: 'likely',
    title: 'MySQL 10.20.0.30 reset a connection with a command outstanding 2.00 s after the command; 1 UPDATE lost',
    culprit: { role: 'server', address: '10.20.0.30', product: 'MySQL' },
    detail: { how: 'outstanding', close: 'rst', serverError: null },
    occurrences: [occurrence(1)],
    excluded: ['packet loss: no retransmission', 'KILL 41: none seen'],
    remedy: [{ text: 'Read the error log at that second', config: 'SET PERSIST log_error_verbosity=3' }],
    references: [{ title: 'RFC 9293 3.10.7.4', url: 'https://www.rfc-editor.org/rfc/rfc9293#section-3.10.7.4' }],
    ...over,
  }
}

export const CUT_SESSION = session(1, {
  connState: 'RSTR',
  endAt: '2026-11-20T17:10:02.400001Z',
  ending: { how: 'rst', by: 'server', command: 'COM_QUERY', silenceSeconds: 2.0004, outcome: 'delivered-unknown' },
})

export function report(over: Partial<Report> = {}): Report {
  const sessions = over.sessions ?? [session(0), CUT_SESSION, session(2)]
  const findings = over.findings ?? [finding()]
  const counts = { error: 0, warning: 0, info: 0 }
  const broken = new Set<string>()
  for (const f of findings) {
    counts[f.severity]++
    if (f.severity !== 'info') for (const o of f.occurrences) broken.add(o.session)
  }
  return {
    schema: 'mysqlconn.report/1',
    tool: { name: 'mysqlconn', version: '0.1.0' },
    partial: false,
    inputs: [
      {
        path: 'captures/capture.pcap',
        name: 'capture.pcap',
        kind: 'capture',
        format: 'pcap',
        packets: 1470,
        bytes: 212_552,
        firstAt: '2026-11-20T17:10:00.000001Z',
        lastAt: '2026-11-20T17:10:16.100001Z',
        connections: 3,
        mysqlSessions: 3,
        linkTypes: ['EN10MB'],
        anomalies: [],
      },
    ],
    sessions,
    findings,
    summary: { sessions: sessions.length, broken: broken.size, findings: counts, notListed: 0, blind: [] },
    ...over,
  }
}

/** Nothing found, and not because all was well. */
export function blindReport(): Report {
  const base = report({ sessions: [], findings: [] })
  return {
    ...base,
    inputs: [
      {
        ...base.inputs[0]!,
        mysqlSessions: 0,
        connections: 12,
        anomalies: [
          anomaly('capture.snaplen', 69, 4),
          anomaly('capture.one-direction', 3, 11),
          anomaly('packet.offload', 5, 2),
        ],
      },
    ],
    summary: {
      ...base.summary,
      sessions: 0,
      blind: ['None of the 12 TCP connections spoke MySQL: name the port with --port.'],
    },
  }
}
