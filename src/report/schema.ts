/**
 * The JSON Schema (2020-12) of the report `mysqlconn.report/1`: model.ts as data. Our own objects are closed, so that a field
 * that is not described here is a mistake; `detail` belongs to each rule (`mysqlconn rules show`) and stays open.
 */
import { ANOMALY_KINDS } from '../core/anomaly.ts'
import { REPORT_SCHEMA } from './model.ts'

export type JsonSchema = { readonly [key: string]: unknown }

const string = { type: 'string' }
const integer = { type: 'integer', minimum: 0 }
const nullable = (schema: JsonSchema): JsonSchema => ({ anyOf: [schema, { type: 'null' }] })
const nullableString = { type: ['string', 'null'] }
const list = (items: JsonSchema): JsonSchema => ({ type: 'array', items })
const oneOf = (...values: string[]): JsonSchema => ({ enum: values })
const counts = { type: 'object', additionalProperties: integer }
const time = { type: 'string', description: 'RFC 3339, UTC, microseconds' }
const endpoint = { type: 'string', description: 'ip:port, IPv6 in brackets' }
const sessionId = { type: 'string', description: 'input name : tcp.stream as Wireshark numbers it' }

/** An object with these properties and no others; all required but the optional ones. */
function object(properties: Record<string, JsonSchema>, optional: readonly string[] = []): JsonSchema {
  return {
    type: 'object',
    properties,
    required: Object.keys(properties).filter((key) => !optional.includes(key)),
    additionalProperties: false,
  }
}
const ref = (name: string): JsonSchema => ({ $ref: `#/$defs/${name}` })
const bothSides = object({ client: integer, server: integer })

const anomaly = object(
  {
    kind: { enum: Object.keys(ANOMALY_KINDS) },
    count: integer,
    firstFrame: { ...integer, description: '0 when it belongs to no frame' },
    means: string,
    better: { ...string, description: 'how to capture so that it does not happen' },
    places: list(string),
  },
  ['better'],
)

const input = object(
  {
    path: string,
    name: { ...string, description: 'used in session ids and evidence' },
    kind: oneOf('capture', 'log', 'keylog', 'config'),
    format: string,
    packets: integer,
    bytes: integer,
    firstAt: nullable(time),
    lastAt: nullable(time),
    connections: integer,
    mysqlSessions: integer,
    linkTypes: list(string),
    lines: integer,
    recognised: integer,
    clockOffsetSeconds: {
      type: 'number',
      description: 'how far this clock is ahead of the one that times are given in',
    },
    about: { ...integer, description: 'log events that tell of a connection; only beside captures' },
    joined: { ...integer, description: 'those of them whose session was found' },
    anomalies: list(ref('anomaly')),
  },
  [
    'packets',
    'firstAt',
    'lastAt',
    'connections',
    'mysqlSessions',
    'linkTypes',
    'lines',
    'recognised',
    'clockOffsetSeconds',
    'about',
    'joined',
  ],
)

const outcome = {
  ...oneOf('none', 'answered', 'not-delivered', 'delivered-unknown', 'response-begun', 'committed'),
  description: 'not-delivered: safe to retry; delivered-unknown, response-begun: may have run; committed: do not retry',
}

const mysql = object({
  serverVersion: nullableString,
  connectionId: { type: ['integer', 'null'] },
  user: nullableString,
  schema: nullableString,
  flavor: string,
  compression: oneOf('none', 'zlib', 'zstd'),
  attributes: { type: 'object', additionalProperties: string },
  commands: counts,
  errors: list(object({ code: integer, count: integer, message: string })),
  limits: list(string),
})

const tls = object({
  version: nullableString,
  cipher: nullableString,
  sni: nullableString,
  decrypted: { type: 'boolean' },
  alerts: list(object({ by: oneOf('client', 'server'), level: string, description: string, frame: integer })),
  handshake: oneOf('complete', 'failed', 'unseen'),
})

const session = object(
  {
    id: sessionId,
    client: { ...endpoint, description: 'the side that opened this leg' },
    server: endpoint,
    legOf: { type: ['string', 'null'], description: 'front session whose statements this back leg carried' },
    sameAs: { ...list(string), description: 'the same connection in another capture' },
    vantage: oneOf('client', 'proxy', 'server', 'unknown'),
    startAt: time,
    endAt: time,
    firstFrame: integer,
    lastFrame: integer,
    connState: { ...string, description: "Zeek's conn_state" },
    history: { ...string, description: "Zeek's history" },
    roleBy: oneOf('syn', 'content', 'port', 'first-packet'),
    bytes: bothSides,
    retransmissions: bothSides,
    handshakeSeconds: { type: 'number', minimum: 0, description: 'from SYN to the ACK that opens the connection' },
    greetingSeconds: { type: 'number', minimum: 0, description: "from there to MySQL's greeting" },
    mysql: nullable(ref('mysql')),
    tls: nullable(ref('tls')),
    ending: object({
      how: oneOf('fin', 'rst', 'open', 'timeout', 'unknown'),
      by: oneOf('client', 'server', 'unknown'),
      command: nullableString,
      silenceSeconds: { type: 'number', minimum: 0 },
      outcome: ref('outcome'),
    }),
  },
  ['handshakeSeconds', 'greetingSeconds'],
)

const evidence = {
  oneOf: [
    object({
      kind: { const: 'frames' },
      input: string,
      frames: list(integer),
      says: string,
      filter: { ...string, description: 'Wireshark display filter' },
    }),
    object({ kind: { const: 'log' }, input: string, line: integer, text: string, says: string }),
    object({ kind: { const: 'silence' }, from: time, to: time, says: string }),
    object({ kind: { const: 'measure' }, name: string, value: { type: 'number' }, unit: string, compared: string }, [
      'compared',
    ]),
  ],
}

const occurrence = object({
  session: {
    ...string,
    description:
      'id of a session; of a finding from logs alone `input:line` of the line that decides, which is not listed in `sessions`',
  },
  client: { ...endpoint, description: 'ip:port; "unknown" where only a log tells of it and does not say' },
  server: { ...endpoint, description: 'likewise' },
  at: { ...time, description: 'RFC 3339, UTC, microseconds; "unknown" when the line bears no time' },
  command: nullableString,
  statement: nullableString,
  outcome: ref('outcome'),
  evidence: list(ref('evidence')),
})

const suppression = object({ reason: string, owner: string, expires: string })

const finding = object(
  {
    id: { ...string, description: 'rule:fingerprint; same cause, same id' },
    rule: string,
    family: string,
    severity: oneOf('error', 'warning', 'info'),
    confidence: oneOf('certain', 'likely', 'possible'),
    title: string,
    culprit: object({
      role: oneOf('client', 'proxy', 'server', 'middlebox', 'network', 'unknown'),
      address: { type: ['string', 'null'], description: 'without a port' },
      product: nullableString,
    }),
    detail: {
      type: 'object',
      description: "the rule's own facts: mysqlconn rules show; shared and log are the same for every rule",
    },
    occurrences: { ...list(ref('occurrence')), minItems: 1 },
    excluded: list(string),
    remedy: list(object({ text: string, config: string })),
    references: list(object({ title: string, url: string })),
    suppressed: { ...suppression, description: 'from check: a baseline accepts it' },
  },
  ['suppressed'],
)

const number = { type: 'number' }
const idleBucket = object({
  fromSeconds: number,
  toSeconds: nullable(number),
  survived: integer,
  closed: integer,
  lost: integer,
})
const idleTimer = object({
  server: endpoint,
  close: oneOf('fin', 'rst', 'err-4031', 'rst-next', 'silent'),
  exact: {
    type: 'boolean',
    description: 'the close came at expiry; otherwise the timer is in (aboveSeconds, seconds]',
  },
  seconds: number,
  maxSeconds: number,
  aboveSeconds: nullable(number),
  closes: integer,
  moments: integer,
  lost: integer,
  survivors: integer,
  longestSurvivedSeconds: number,
  outlived: integer,
  finding: nullableString,
  culprit: nullable(object({ role: string, address: nullableString, product: nullableString })),
  fits: list(
    object({
      product: string,
      setting: string,
      defaultSeconds: nullable(number),
      byDefault: { type: 'boolean' },
      source: string,
    }),
  ),
})

const names = { type: 'object', additionalProperties: string }
const pollution = object({
  connections: list(
    object({
      session: sessionId,
      client: endpoint,
      server: endpoint,
      leaks: integer,
      borrowers: list(
        object({
          at: time,
          mark: string,
          confidence: { enum: ['certain', 'likely', 'possible', null] },
          who: nullableString,
          statements: integer,
          found: { ...names, description: 'state that differs from what the login left' },
          left: names,
        }),
      ),
    }),
  ),
  states: list(
    object({
      state: string,
      name: string,
      harm: oneOf('answers', 'writes', 'waits', 'cuts', 'speed', 'info'),
      why: string,
      sets: integer,
      connections: integer,
      leaks: integer,
      ranWith: integer,
      damage: integer,
      setBy: list(string),
    }),
  ),
  shared: list(
    object({
      session: sessionId,
      client: endpoint,
      server: endpoint,
      onlyFront: nullable(sessionId),
      reuses: list(
        object({
          at: time,
          frame: integer,
          how: oneOf('reset', 'change-user'),
          idleSeconds: number,
          roundTrips: integer,
          restored: list(string),
        }),
      ),
    }),
  ),
})

const traceEvent = object(
  {
    at: time,
    offsetSeconds: { type: 'number' },
    frame: integer,
    dir: { enum: ['client', 'server', null] },
    layer: oneOf('tcp', 'tls', 'mysql', 'log'),
    what: string,
    says: string,
    bytes: integer,
    emphasis: { type: 'boolean' },
    state: { ...string, description: 'session state that differs from what the login left' },
  },
  ['bytes', 'emphasis', 'state'],
)

const tlsSection = object({
  sessions: integer,
  withoutTls: integer,
  handshakes: object({ complete: integer, failed: integer, unseen: integer, resumed: integer }),
  decrypted: integer,
  renegotiations: { ...integer, description: 'TLS <= 1.2, seen only where decrypted' },
  keyUpdates: { ...integer, description: 'TLS 1.3, seen only where decrypted' },
  suites: list(
    object({
      version: nullableString,
      cipher: nullableString,
      sessions: integer,
      resumed: integer,
      decrypted: integer,
      servers: list(endpoint),
    }),
  ),
  failures: list(
    object({
      reason: { ...string, description: 'detail.reason of tls-handshake-failure, or interrupted' },
      by: oneOf('client', 'server', 'unknown'),
      server: endpoint,
      count: integer,
      clients: list(string),
      sessions: list(sessionId),
    }),
  ),
  alerts: list(
    object({
      by: oneOf('client', 'server'),
      from: { ...string, description: 'address of the sender' },
      level: string,
      description: string,
      number: { ...integer, minimum: -1, description: 'AlertDescription, -1 when encrypted or cut' },
      count: integer,
      sessions: list(sessionId),
    }),
  ),
  chains: list(
    object({
      process: { ...string, description: 'address of the process that kept the error' },
      events: list(
        object({
          kind: oneOf('trigger', 'victim', 'served'),
          at: time,
          session: sessionId,
          client: endpoint,
          server: endpoint,
          frame: integer,
          says: string,
          afterSeconds: nullable(number),
        }),
      ),
    }),
  ),
  unread: list(
    object({
      why: oneOf('no-keys', 'handshake-unseen', 'cipher', 'wrong-keys', 'place-lost'),
      count: integer,
      sessions: list(sessionId),
    }),
  ),
})

const aroundEvent = object(
  {
    at: time,
    offsetSeconds: number,
    input: string,
    kind: oneOf('frame', 'log'),
    place: { ...integer, description: 'frame of a capture, line of a log' },
    session: nullableString,
    client: nullableString,
    server: nullableString,
    by: { enum: ['client', 'server', null] },
    what: string,
    says: string,
    emphasis: { type: 'boolean' },
  },
  ['emphasis'],
)

const timer = object({
  layer: oneOf('pool', 'proxy', 'load balancer', 'server'),
  product: string,
  name: string,
  seconds: number,
  kind: {
    ...oneOf('idle', 'age', 'check'),
    description: 'closes what was idle, retires what is old, checks what was idle',
  },
  where: { ...string, description: '`input:line` where it was read, or observed' },
})

const ladder = object({
  finding: string,
  hosts: list(object({ name: string, address: string })),
  legs: list(object({ session: sessionId, client: endpoint, server: endpoint })),
  events: list(ref('ladderEvent')),
  dropped: integer,
})
const ladderEvent = object(
  { ...(traceEvent.properties as Record<string, JsonSchema>), leg: { type: ['integer', 'null'] }, input: string },
  ['bytes', 'emphasis'],
)

const baselineEntry = object({ id: string, reason: string, owner: string, expires: string })
const check = object({
  policy: nullableString,
  passed: { type: 'boolean' },
  failOn: { enum: ['error', 'warning', 'info', null] },
  cases: list(
    object({
      kind: oneOf('rule', 'budget', 'require', 'baseline'),
      name: string,
      passed: { type: 'boolean' },
      says: string,
      findings: list(string),
    }),
  ),
  baseline: object({ path: nullableString, stale: list(baselineEntry), expired: list(baselineEntry) }),
})

export const REPORT_JSON_SCHEMA: JsonSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: `urn:mysqlconn:${REPORT_SCHEMA}`,
  title: 'mysqlconn report',
  ...object(
    {
      schema: { const: REPORT_SCHEMA },
      tool: object({ name: { const: 'mysqlconn' }, version: string }),
      partial: { type: 'boolean', description: 'interrupted, or an input broke off' },
      inputs: list(ref('input')),
      sessions: list(ref('session')),
      findings: list(ref('finding')),
      summary: object({
        sessions: integer,
        broken: integer,
        findings: object({ error: integer, warning: integer, info: integer }),
        notListed: { ...integer, description: 'sessions counted but not in `sessions`' },
        blind: { ...list(string), description: 'what could not be seen' },
      }),
      timers: object({
        settings: list(ref('timer')),
        conflicts: list(object({ outer: integer, inner: integer, says: string })),
      }),
      around: object({ finding: string, at: time, events: list(ref('aroundEvent')), dropped: integer }),
      idle: object({ histogram: list(ref('idleBucket')), timers: list(ref('idleTimer')) }),
      tls: ref('tlsSection'),
      pollution: ref('pollution'),
      trace: object({ session: sessionId, events: list(ref('traceEvent')), dropped: integer }),
      ladders: list(ref('ladder')),
      check: ref('check'),
      bugs: list(object({ rule: string, session: string, message: string })),
    },
    ['trace', 'idle', 'around', 'timers', 'tls', 'pollution', 'ladders', 'check', 'bugs'],
  ),
  $defs: {
    anomaly,
    input,
    outcome,
    mysql,
    tls,
    session,
    evidence,
    occurrence,
    finding,
    traceEvent,
    aroundEvent,
    timer,
    idleBucket,
    idleTimer,
    tlsSection,
    ladder,
    ladderEvent,
    check,
    pollution,
  },
}
