/**
 * HAProxy's CLF layouts (`option httplog clf`, and tcplog with `clf` since 2.7): the fields of tcplog in quotes behind a common log
 * format line, the time in UTC with its zone; the milliseconds stand in a field of their own.
 */
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { readStamp } from '../stamp.ts'
import { endpoint } from '../words.ts'
import { sessionEnd } from './haproxy-tcplog.ts'

/** `ci - - [T] "TCP " 000 B "" "" cp ms ft b s Th Tw Tc Tt U ts-- ac fc bc sc rc sq bq "" ""`, every field quoted or none. */
const FIELD = /"((?:[^"\\]|\\.)*)"|(\S+)/g
const START =
  /^"?[0-9a-fA-F.:]+"? - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d(?: [+-]\d{4})?\] "(?:TCP |[A-Z]+ [^"]*)" \d{3} "?\d+"? /

function read({ text }: Entry): Draft | null {
  const bracket = text.indexOf('] ')
  const time = readStamp(text, text.indexOf('[') + 1)
  const fields = [...text.slice(bracket + 2).matchAll(FIELD)].map((m) => m[1] ?? m[2] ?? '')
  // request, status, bytes, referer, agent, port, ms, frontend, backend, server, then the timers
  const [, , bytes, , , port, ms, frontend, backend, server] = fields
  const state = fields.findIndex((f, i) => i >= 10 && /^[-A-Za-z]{4}$/.test(f))
  if (time === null || server === undefined || state < 12 || !/^\d+$/.test(port!)) return null
  const tcp = fields[0]!.startsWith('TCP')
  // The total stands before the bytes of the upload (TCP), or last of the timers (HTTP).
  const total = fields[tcp ? state - 2 : state - 1]!
  const client = text.slice(0, text.indexOf(' ')).replaceAll('"', '')
  const stamp = { ...time.stamp, nanos: Number(ms) * 1e6 || 0, precision: 1e6 }
  return sessionEnd({
    client: endpoint(client, port!),
    accepted: { stamp, end: 0 },
    frontend: frontend!,
    backend: backend!,
    server,
    totalMillis: Number(total.replace('+', '')),
    early: total.startsWith('+'),
    bytes: Number(bytes),
    state: fields[state]!.slice(0, 2),
    fields: {},
  })
}

export const haproxyClf: LogFormat = {
  id: 'haproxy-clf',
  title: 'HAProxy, CLF layouts of tcplog and httplog',
  product: 'HAProxy',
  role: 'proxy',
  examples: [
    '10.20.0.10 - - [20/Nov/2026:17:18:41 +0000] "TCP " 000 291 "" "" 59186 040 "mysql_front" "mysql_back" "db1" 0 1 0 10003 412 cD-- 1 1 0 0 0 0 0 "" ""',
  ],
  starts: (line) => START.test(line) && !line.startsWith('"-'),
  open: each(read),
}
