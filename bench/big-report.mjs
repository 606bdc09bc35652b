/** The largest report that must open fast: 10,000 sessions, 500 findings, 100 ladders. Plain data, no capture. */
const SESSIONS = 10_000
const FINDINGS = 500
const RULES = [
  ['rst-after-query', 'cut'],
  ['idle-timeout-proxy', 'idle'],
  ['silent-drop', 'idle'],
  ['client-vanished', 'cut'],
  ['tls-error-queue', 'tls'],
]
const STATEMENT = 'SELECT id, name FROM account WHERE owner = ? AND created_at > ? ORDER BY created_at DESC LIMIT ?'

const at = (s) => new Date(Date.UTC(2026, 10, 20, 17) + s * 1000).toISOString().replace('Z', '001Z')

function session(i) {
  return {
    id: `capture.pcap:${i}`,
    client: `10.20.${(i >> 8) & 255}.${i & 255}:${40_000 + (i % 20_000)}`,
    server: '10.20.0.30:3306',
    legOf: null,
    sameAs: [],
    vantage: 'unknown',
    startAt: at(i / 3),
    endAt: at(i / 3 + 5 + (i % 97)),
    firstFrame: i * 10 + 1,
    lastFrame: i * 10 + 9,
    connState: 'SF',
    history: 'ShADadFf',
    roleBy: 'syn',
    bytes: { client: 220, server: 810 },
    retransmissions: { client: 0, server: 0 },
    mysql: {
      serverVersion: '8.4.3',
      connectionId: i,
      user: 'app',
      schema: 'shop',
      flavor: 'mysql',
      compression: 'none',
      attributes: { program_name: 'orders', _client_name: 'libmysql', _client_version: '8.4.3' },
      commands: { COM_QUERY: 3, COM_QUIT: 1 },
      errors: [],
      limits: [],
    },
    tls: null,
    ending: { how: 'fin', by: 'client', command: null, silenceSeconds: 0.25, outcome: 'answered' },
  }
}

function occurrence(i) {
  const { id, client, server, endAt } = session(i)
  const frames = (n, says) => ({ kind: 'frames', input: 'capture.pcap', frames: [n], says, filter: `tcp.stream==${i}` })
  const evidence = [
    frames(i * 10 + 7, 'COM_QUERY sent'),
    frames(i * 10 + 8, `RST from ${server}`),
    { kind: 'silence', from: at(i / 3), to: endAt, says: 'nothing either way' },
    { kind: 'measure', name: 'from the command to the close', value: 2.0004, unit: 's' },
  ]
  const lost = { command: 'COM_QUERY', statement: STATEMENT, outcome: 'delivered-unknown' }
  return { session: id, client, server, at: endAt, ...lost, evidence }
}

function finding(i) {
  const [rule, family] = RULES[i % RULES.length]
  const occurrences = Array.from({ length: 4 }, (_, k) => occurrence((i * 4 + k) % SESSIONS))
  const ids = occurrences.map((o) => o.session)
  return {
    id: `${rule}:${i.toString(16).padStart(8, '0')}`,
    rule,
    family,
    severity: ['error', 'warning', 'info'][i % 3],
    confidence: 'likely',
    title: `MySQL 10.20.0.30 reset a connection with a command outstanding (${i}); 1 SELECT lost`,
    culprit: { role: 'server', address: '10.20.0.30', product: 'MySQL' },
    detail: { triggers: ids.slice(0, 1), victims: ids },
    occurrences,
    excluded: ['packet loss: no retransmission', 'KILL 41: none seen'],
    remedy: [{ text: 'Read the error log at that second', config: 'SET PERSIST log_error_verbosity=3' }],
    references: [{ title: 'RFC 9293', url: 'https://www.rfc-editor.org/rfc/rfc9293' }],
  }
}

function ladder(f) {
  const [front, back] = f.occurrences
  return {
    finding: f.id,
    hosts: [
      { name: 'app', address: front.client },
      { name: 'proxy', address: '10.20.0.20:3306' },
      { name: 'MySQL 8.4.3', address: '10.20.0.30:3306' },
    ],
    legs: [front, back].map(({ session, client, server }) => ({ session, client, server })),
    events: Array.from({ length: 80 }, (_, k) => ({
      at: at(k),
      offsetSeconds: k * 0.7,
      frame: k + 1,
      input: 'capture.pcap',
      leg: k % 2,
      dir: k % 3 === 0 ? 'client' : 'server',
      layer: 'mysql',
      what: k % 3 === 0 ? 'COM_QUERY' : 'answer',
      says: STATEMENT,
    })),
    dropped: 0,
  }
}

export function bigReport() {
  const findings = Array.from({ length: FINDINGS }, (_, i) => finding(i))
  const grave = findings.filter((f) => f.severity !== 'info')
  const count = (severity) => findings.filter((f) => f.severity === severity).length
  return {
    schema: 'mysqlconn.report/1',
    tool: { name: 'mysqlconn', version: '0.1.0' },
    partial: false,
    inputs: [
      {
        path: 'capture.pcap',
        name: 'capture.pcap',
        kind: 'capture',
        format: 'pcap',
        bytes: 9,
        packets: 100_000,
        anomalies: [],
      },
    ],
    sessions: Array.from({ length: SESSIONS }, (_, i) => session(i)),
    findings,
    summary: {
      sessions: SESSIONS,
      broken: new Set(grave.flatMap((f) => f.occurrences.map((o) => o.session))).size,
      findings: { error: count('error'), warning: count('warning'), info: count('info') },
      notListed: 0,
      blind: [],
    },
    ladders: grave.slice(0, 100).map(ladder),
  }
}
