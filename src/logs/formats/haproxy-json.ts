/**
 * HAProxy's JSON (`log-format "%{+json}o …"`, or written by hand): the keys are the user's, so the members are told by their usual
 * names and by their shape: a termination state of two letters beside times or an accept date.
 */
import { type Pairs, pairsOfJson } from '../app-facts.ts'
import { object } from '../envelope.ts'
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { readStamp, type Stamp, stampOfNumber } from '../stamp.ts'
import { endpoint } from '../words.ts'
import { sessionEnd } from './haproxy-tcplog.ts'

const STATE_KEYS = ['terminationstate', 'termstate', 'termination', 'sessionstate', 'state', 'term']
const START =
  /^\{.*"(?:ts|tsc|termination_?[sS]tate|term_?[sS]tate|termination|session_?[sS]tate|state|term)" ?: ?"[-LcCsSPRIDKU][-RCHDLQT](?:[-A-Z]{2})?"/

const member = (pairs: Pairs, keys: readonly string[]): string | undefined => {
  for (const key of keys) {
    const v = pairs.get(key)
    if (v !== undefined) return String(v)
  }
  return undefined
}

function read({ first }: Entry): Draft | null {
  const o = object(first)
  if (o === null) return null
  const pairs = pairsOfJson(o)
  // HAProxy's own short names differ by their case (b is the backend, B the bytes): as they are written, before any other way.
  const of = (alias: string, ...keys: string[]): string | undefined => {
    const own = o[alias]
    return typeof own === 'string' || typeof own === 'number' ? String(own) : member(pairs, [alias, ...keys])
  }
  const state = ['ts', 'tsc', ...STATE_KEYS]
    .map((k) => String(o[k] ?? pairs.get(k) ?? ''))
    .find((v) => /^[-A-Za-z]{2}(?:[-A-Za-z]{2})?$/.test(v))
  const host = of('ci', 'clientip', 'src', 'client', 'clientaddr', 'remoteaddr')
  const port = of('cp', 'clientport', 'srcport', 'sport', 'port')
  const total = of('Tt', 'tt', 'totaltime', 'timetotal', 'ta', 'sessionduration', 'duration', 'timett')
  if (state === undefined) return null
  const at = stamp(
    of('t', 'tr', 'acceptdate', 'requestdate', 'datetime', 'timestamp', 'time', 'date', '@timestamp', 'tl'),
  )
  return sessionEnd({
    client: host === undefined ? '' : port === undefined ? host : endpoint(host, port),
    accepted: at === null ? null : { stamp: at, end: 0 },
    frontend: of('ft', 'f', 'frontend', 'frontendname', 'fename') ?? '',
    backend: of('b', 'backend', 'backendname', 'bename') ?? '',
    server: of('s', 'server', 'servername', 'srvname') ?? '',
    totalMillis: total === undefined || !/^\+?-?\d+$/.test(total) ? -1 : Number(total),
    early: total?.startsWith('+') === true,
    bytes: Number(of('B', 'bytes', 'bytesread', 'bytessent', 'bytesout') ?? 0) || 0,
    state: state.slice(0, 2),
    fields: {},
  })
}

function stamp(text: string | undefined): Stamp | null {
  if (text === undefined) return null
  return readStamp(text.replace(/^\[/, ''))?.stamp ?? (/^\d+(\.\d+)?$/.test(text) ? stampOfNumber(Number(text)) : null)
}

export const haproxyJson: LogFormat = {
  id: 'haproxy-json',
  title: 'HAProxy, JSON log-format',
  product: 'HAProxy',
  role: 'proxy',
  examples: [
    '{"ci":"10.20.0.10","cp":59186,"t":"20/Nov/2026:17:18:41.040","ft":"mysql_front","b":"mysql_back","s":"db1","Tw":1,"Tc":0,"Tt":10003,"B":291,"ts":"cD","ac":1,"fc":1,"bc":0,"sc":0,"rc":0}',
  ],
  starts: (line) => line.charCodeAt(0) === 123 && START.test(line),
  open: each(read),
}
