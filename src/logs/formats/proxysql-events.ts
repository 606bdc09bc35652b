/** ProxySQL's query log (mysql-eventslog_format=2), JSON lines: each statement with its client, server and times in microseconds. */

import { whatOfCode } from '../driver-codes.ts'
import { object } from '../envelope.ts'
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { stampOfNumber } from '../stamp.ts'
import { endpointOf } from '../words.ts'

const text = (v: unknown): string | null => (typeof v === 'string' && v !== '' ? v : null)
const number = (v: unknown): number | null => (typeof v === 'number' ? v : null)

function read({ first }: Entry): Draft | null {
  const o = object(first)
  if (o === null) return null
  const start = number(o['starttime_timestamp_us'])
  const end = number(o['endtime_timestamp_us'])
  const code = number(o['errno'])
  const micros = number(o['duration_us'])
  return {
    what: code === null || code === 0 ? 'statement' : whatOfCode(code),
    stamp: end === null ? null : stampOfNumber(end),
    startStamp: start === null ? null : stampOfNumber(start),
    frontId: number(o['thread_id']),
    client: endpointOf(text(o['client']) ?? ''),
    server: endpointOf(text(o['server']) ?? '') ?? text(o['server']),
    user: text(o['username']),
    schema: text(o['schemaname']),
    statement: text(o['query']),
    code: code === 0 ? null : code,
    reason: text(o['error']),
    durationMillis: micros === null ? null : micros / 1000,
    fields: { event: text(o['event']) ?? '', hostgroup: number(o['hostgroup_id']) ?? -1 },
  }
}

export const proxysqlEvents: LogFormat = {
  id: 'proxysql-events',
  title: 'ProxySQL query log (eventslog, JSON)',
  product: 'ProxySQL',
  role: 'proxy',
  examples: [
    '{"client":"127.0.0.1:36262","digest":"0x226CD90D52A2BA0B","duration_us":155,"endtime":"2019-11-29 09:17:43.567332","endtime_timestamp_us":1575015463567332,"event":"COM_QUERY","hostgroup_id":0,"query":"select 1","rows_affected":0,"rows_sent":1,"schemaname":"information_schema","server":"127.0.0.1:3306","starttime":"2019-11-29 09:17:43.567177","starttime_timestamp_us":1575015463567177,"thread_id":2,"username":"root"}',
  ],
  starts: (line) => line.charCodeAt(0) === 123 && line.includes('"starttime_timestamp_us"'),
  open: each(read),
}
