/**
 * p6spy: SingleLineFormat `now|elapsed|category|connection 3|url …|prepared|sql`, CustomLineFormat without the url, MultiLineFormat
 * `#now | took 3ms | category | connection 3| url …` with the statement below. The connection's number is p6spy's own.
 */
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { readStamp, stampOfNumber } from '../stamp.ts'
import { endpointOf } from '../words.ts'

const CATEGORIES = 'statement|batch|commit|rollback|result|resultset|info|outage|error|warn|debug'
const SINGLE = new RegExp(
  String.raw`^([^|]{8,40})\|(-?\d+)\|(${CATEGORIES})\|connection ?(\d+)\|(?:url (\S*)\|)?([\s\S]*)$`,
)
const MULTI = new RegExp(
  String.raw`^#(.{8,40}?) \| took (-?\d+)ms \| (${CATEGORIES}) \| connection (\d+)\| url (\S*)\n?([\s\S]*)$`,
)

function read({ text }: Entry): Draft | null {
  const m = SINGLE.exec(text) ?? MULTI.exec(text)
  if (m === null) return null
  const now = m[1]!.trim()
  const millis = Number(m[2])
  const ends = m[6]!.split(text.startsWith('#') ? '\n' : '|')
  const sql = (m[5] === undefined ? ends : ends.slice(1)).join(text.startsWith('#') ? '\n' : '|').replace(/;?\s*$/, '')
  const host = /\/\/([^/?,]+)/.exec(m[5] ?? '')?.[1]
  return {
    what: m[3] === 'error' || m[3] === 'outage' ? 'error' : 'statement',
    stamp: /^\d+$/.test(now) ? stampOfNumber(Number(now)) : (readStamp(now)?.stamp ?? null),
    poolConnection: m[4]!,
    durationMillis: millis < 0 ? null : millis,
    statement: m[3] === 'commit' || m[3] === 'rollback' ? m[3].toUpperCase() : sql === '' ? null : sql,
    server: host === undefined ? null : (endpointOf(host) ?? host),
    fields: { category: m[3]! },
  }
}

export const p6spy: LogFormat = {
  id: 'p6spy',
  title: 'p6spy',
  product: 'p6spy',
  role: 'driver',
  examples: [
    '1795195121123|3|statement|connection 0|url jdbc:p6spy:mysql://10.20.0.20:3306/shop|SELECT name FROM user WHERE id=?|SELECT name FROM user WHERE id=7',
    '#1795195121123 | took 3ms | statement | connection 0| url jdbc:p6spy:mysql://10.20.0.20:3306/shop\nSELECT name FROM user WHERE id=?\nSELECT name FROM user WHERE id=7;',
  ],
  starts: (line) => {
    if (!line.includes('connection')) return false
    return line.charCodeAt(0) === 35 ? MULTI.test(line) : SINGLE.test(line)
  },
  continues: (line) => line !== '' && line.charCodeAt(0) !== 35,
  open: each(read),
}
