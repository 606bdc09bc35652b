/**
 * Facts of connections in free log lines: `checkout id=82 local=10.20.0.10:49326`, `{"event":"checkout","conn_id":91}`. Keys by their
 * usual names, events by their usual verbs; without an id or an address of a connection nothing is taken.
 */
import type { Draft } from './format.ts'
import { readStamp, type Stamp, stampOfNumber } from './stamp.ts'
import { endpoint, endpointOf, type Level, levelOf } from './words.ts'

/** Values by key, keys in lower case without `_`, `-` and `.`. */
export type Pairs = ReadonlyMap<string, string | number>

const plain = (key: string): string => key.toLowerCase().replace(/[_.-]/g, '')

const PAIR = /(?:^|[\s,;({[|])([A-Za-z_][\w.-]{0,40})[=](?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s,;"'|]+))/g

/** What follows a statement to the end of the line. */
const ERROR_BEHIND = /(?::| -) [\w.]*(?:Error|Exception)\b.*$/

/** The `key=value` pairs of a text. A key that stands for text to the end of the line (`sql=`) takes it all. */
export function pairsOf(text: string): Pairs {
  const pairs = new Map<string, string | number>()
  for (const m of text.matchAll(PAIR)) {
    const key = plain(m[1]!)
    if (pairs.has(key)) continue
    const quoted = m[2] ?? m[3]
    if (quoted === undefined && (key === 'sql' || key === 'query' || key === 'statement')) {
      pairs.set(key, text.slice(m.index + m[0].length - m[4]!.length).replace(ERROR_BEHIND, ''))
      break
    }
    pairs.set(key, quoted ?? m[4]!.replace(/[)\]}:.]+$/, ''))
  }
  return pairs
}

/** Members of a JSON object and of the objects in it, one level down. */
export function pairsOfJson(o: Record<string, unknown>): Pairs {
  const pairs = new Map<string, string | number>()
  const put = (key: string, v: unknown): void => {
    if (typeof v === 'string' || typeof v === 'number') pairs.set(plain(key), v)
    else if (typeof v === 'boolean') pairs.set(plain(key), String(v))
  }
  for (const [key, v] of Object.entries(o)) {
    put(key, v)
    if (typeof v === 'object' && v !== null && !Array.isArray(v))
      for (const [k, inner] of Object.entries(v)) if (!pairs.has(plain(k))) put(k, inner)
  }
  return pairs
}

const first = (pairs: Pairs, ...keys: string[]): string | number | undefined => {
  for (const key of keys) {
    const v = pairs.get(key)
    if (v !== undefined && v !== '' && v !== 'undefined' && v !== 'null' && v !== 'None') return v
  }
  return undefined
}
const text = (v: string | number | undefined): string | null => (v === undefined ? null : String(v))
const whole = (v: string | number | undefined): number | null => {
  const n = typeof v === 'number' ? v : v !== undefined && /^\d{1,19}$/.test(v) ? Number(v) : Number.NaN
  return Number.isInteger(n) && n >= 0 ? n : null
}

/** Durations: a number in the unit of its key, in milliseconds, or with a unit of its own; 0: only with one (idle=3 may count connections). */
function millis(pairs: Pairs, keys: readonly [string, number][]): number | null {
  for (const [key, unit] of keys) {
    const v = pairs.get(key)
    if (v === undefined) continue
    const m = /^(\d+(?:\.\d+)?)(ms|s|us|µs)?$/.exec(String(v))
    if (m === null || (m[2] === undefined && unit === 0)) continue
    const by = m[2] === undefined ? unit : m[2] === 's' ? 1000 : m[2] === 'ms' ? 1 : 0.001
    return Math.round(Number(m[1]) * by * 1000) / 1000
  }
  return null
}

function address(pairs: Pairs, whole_: readonly string[], host: string, port: string): string | null {
  for (const key of whole_) {
    const v = pairs.get(key)
    const found = v === undefined ? null : endpointOf(String(v))
    if (found !== null) return found
  }
  const h = pairs.get(host)
  const p = whole(pairs.get(port))
  if (p === null || p < 1 || p > 65_535) return null
  return endpoint(h === undefined ? '' : String(h), p)
}

/** Verbs, tried in this order on the event's name or the text. */
const VERBS: readonly [RegExp, Draft['what']][] = [
  [/check(?:ed|ing)?[-_ ]?out|\bacquir(?:e|ed)\b|\bborrow(?:ed)?\b|\bleased?\b|getconnection\b/i, 'checkout'],
  [/check(?:ed|ing)?[-_ ]?in\b|\breleased?\b|\breturned\b|\bgiven back\b|pool_return/i, 'checkin'],
  [
    /(?:validat|ping|health|keep-?alive|test query)\w*[^:]*\b(?:fail|error|dead|timed? ?out)|(?:failed|error)\w* to (?:validate|ping)/i,
    'validation-failed',
  ],
  [/\bvalidat\w+|\bpre-?ping\b|\bping\b|\bkeep-?alive\b/i, 'validated'],
  [
    /\bpool(?:[-_ ]is)?[-_ ]exhausted|\bno connections? available|waiting for (?:a )?connection timed out/i,
    'exhausted',
  ],
  [/\bretry ok\b|\bretr(?:y|ied|ying)\b/i, 'retried'],
  [
    /\b(?:connect|open|dial)\w* (?:failed|error|refused)|failed to (?:connect|open)|could not connect|cannot connect/i,
    'connect-failed',
  ],
  [/\b(?:query|statement|exec\w*|q|sql)[-_ ]?(?:failed|error)|query_error\b/i, 'error'],
  [/\bevict\w*|\bretir\w+|\bexpired\b|\brecycl\w+/i, 'retired'],
  [
    /\bclos(?:e|ed|ing)\b|\bdisconnect\w*|\bdestroy\w*|\bdiscard\w*|\bsocket end\b|\bended\b|\bremoved\b|\bresett?ing\b/i,
    'closed',
  ],
  [
    /\bnew connection\b|\bconnected\b|\bconnection[-_ ](?:open|opened|created|established|accepted)\b|\bopened\b|\bcreated\b|\bdial\b|\bconnect\b/i,
    'connected',
  ],
  [/\bquery\b|\bexecuted?\b|\bstatement\b|\bok\b/i, 'statement'],
  [/\berror\b|\bfail(?:ed|ure)\b/i, 'error'],
]

/** The log's own name of a connection: `conn 7`, or the word before what happened to it: `master connected to …`, `a closed`. */
const OWN =
  /\bconn(?:ection)? #?(\d+)\b|(?:^|\] |: |- )([A-Za-z][\w-]{0,24}) (?:connected to|ping (?:ok|failed)|q(?:uery)? (?:ok|failed)|closed|discarded|open(?:ed)? failed)\b/
const NO_NAME =
  /^(?:connection|connections|query|pool|socket|not|is|was|retry|session|statement|the|driver|client|server|dial|connect|all|has|been|be)$/i

function ownName(words: string): string | undefined {
  const m = OWN.exec(words)
  const name = m?.[1] ?? m?.[2]
  return name === undefined || NO_NAME.test(name) ? undefined : name
}

/** `key=value` and what stands in quotes: names and statements, which may hold any word. */
const NOT_VERBS = /[\w.-]+=(?:"[^"]*"|'[^']*'|\S*)|"[^"]*"/g

/** What an event's words tell of, null when nothing. Values are no verbs: a borrower may be called checkout-svc. */
export function verbOf(words: string): Draft['what'] | null {
  const bare = words.replace(NOT_VERBS, ' ')
  for (const [re, what] of VERBS) if (re.test(bare)) return what
  return null
}

function verbIn(words: string): Draft['what'] | null {
  for (const [re, what] of VERBS) if (re.test(words)) return what
  return null
}

/** When and how grave: the members of a JSON log line under their usual names. */
export function jsonHead(pairs: Pairs): { stamp: Stamp | null; level: Level | null; message: string } {
  const at = first(
    pairs,
    'time',
    'ts',
    '@timestamp',
    'timestamp',
    'at',
    'datetime',
    'date',
    't',
    'asctime',
    'eventtime',
  )
  const stamp = typeof at === 'number' ? stampOfNumber(at) : at === undefined ? null : (readStamp(at)?.stamp ?? null)
  const level = first(pairs, 'level', 'severity', 'loglevel', 'lvl', 'levelname', 'l')
  // pino and bunyan write numbers.
  const named = typeof level === 'number' ? PINO[level] : level
  const message = first(pairs, 'msg', 'message', '@message', 'event', 'text', 'log')
  return { stamp, level: levelOf(named), message: text(message) ?? '' }
}
const PINO: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}

/** The facts, or null when nothing names a connection. `words`: the event's own words, for the verb. */
export function connectionFacts(pairs: Pairs, words: string): Draft | null {
  const about = /\bpool\b|conn|query|\bsql\b|statement/i.test(words)
  const connectionId = whole(
    first(
      pairs,
      'connid',
      'connectionid',
      'conn',
      'threadid',
      'cid',
      'processid',
      'procid',
      'mysqlthreadid',
      'serverthreadid',
      'connection',
    ) ?? (about ? pairs.get('id') : undefined),
  )
  const client = address(
    pairs,
    [
      'local',
      'localaddr',
      'localaddress',
      'laddr',
      'localendpoint',
      'client',
      'clientaddr',
      'clientaddress',
      'src',
      'source',
    ],
    'localhost_',
    'localport',
  )
  const server = address(
    pairs,
    [
      'remote',
      'remoteaddr',
      'remoteaddress',
      'raddr',
      'server',
      'serveraddr',
      'backend',
      'upstream',
      'dst',
      'dest',
      'peer',
      'addr',
    ],
    'host',
    'port',
  )
  const own = ownName(words)
  const proxy = pairs.has('backend') || pairs.has('backendlocal') || pairs.has('upstream')
  const lent = pairs.has('borrower') && pairs.has('sql')
  if (connectionId === null && client === null && own === undefined && !lent) return null
  const named = first(pairs, 'event', 'ev', 'action', 'op', 'msg', 'message')
  const what =
    (named === undefined ? verbOf(words) : (verbIn(text(named) ?? '') ?? verbOf(words))) ??
    (pairs.has('sql') ? 'statement' : proxy && client !== null ? 'connected' : null)
  if (what === null) return null
  const code = whole(first(pairs, 'errno', 'err', 'errorcode', 'code', 'errcode'))
  const to = /\bto (\S+:\d{2,5})\b/.exec(words)?.[1]
  const backendLocal = address(pairs, ['backendlocal', 'upstreamlocal'], '', '')
  const fields: Record<string, string | number> = {}
  if (backendLocal !== null) fields['backendLocal'] = backendLocal
  const rows = whole(pairs.get('rows'))
  if (rows !== null) fields['rows'] = rows
  return {
    what,
    ...(proxy ? { role: 'proxy' as const, product: 'proxy' } : {}),
    closedBy: what === 'retired' ? 'pool' : null,
    connectionId,
    client,
    server: server ?? (to === undefined ? null : endpointOf(to)),
    user: text(first(pairs, 'user', 'dbuser', 'username')),
    schema: text(first(pairs, 'db', 'schema', 'database', 'dbname')),
    statement: text(first(pairs, 'sql', 'query', 'q', 'statement', 'stmt')),
    code: code !== null && code >= 1000 ? code : null,
    sqlState: text(first(pairs, 'sqlstate')),
    reason:
      text(first(pairs, 'reason', 'err', 'error', 'errmsg')) ??
      (/\bresett?ing\b.*\bconnection\b/i.test(words) ? 'reset' : null),
    idleMillis: millis(pairs, [
      ['idlems', 1],
      ['idlemillis', 1],
      ['idle', 0],
      ['idleseconds', 1000],
      ['idlefor', 0],
    ]),
    durationMillis: millis(pairs, [
      ['ms', 1],
      ['elapsedms', 1],
      ['durationms', 1],
      ['tookms', 1],
      ['duration', 0],
      ['elapsed', 0],
      ['took', 0],
      ['after', 0],
    ]),
    pool: text(first(pairs, 'pool', 'poolname', 'datasource')) ?? /\[pool ([\w.-]+)\]/.exec(words)?.[1] ?? null,
    poolConnection: text(first(pairs, 'poolconnection', 'connname')) ?? own ?? null,
    borrower: text(
      first(pairs, 'borrower', 'owner', 'holder', 'request', 'requestid', 'worker', 'task', 'w', 'thread'),
    ),
    fields,
  }
}
