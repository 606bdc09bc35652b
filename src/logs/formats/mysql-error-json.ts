/** The JSON sink of MySQL 8 and later (log_sink_json): one object a line, keys in any order and any may be missing. */
import { object } from '../envelope.ts'
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { readStamp, stampOfNumber } from '../stamp.ts'
import { levelOf } from '../words.ts'
import { serverMessage } from './server-messages.ts'

const START = /^\{(?=.*"(?:err_code|err_symbol|log_type|subsystem|SQL_state)" ?: ?)(?=.*"msg" ?: ?")/
/** By priority, where the label is missing. */
const PRIORITIES = ['info', 'error', 'warning', 'info'] as const

function read({ first }: Entry): Draft | null {
  const o = object(first)
  if (o === null || typeof o['msg'] !== 'string') return null
  const time = o['time']
  const stamp =
    typeof time === 'string'
      ? (readStamp(time)?.stamp ?? null)
      : typeof o['buffered'] === 'number'
        ? stampOfNumber(o['buffered'])
        : typeof o['ts'] === 'number'
          ? stampOfNumber(o['ts'])
          : null
  const level =
    typeof o['label'] === 'string'
      ? levelOf(o['label'])
      : typeof o['prio'] === 'number'
        ? (PRIORITIES[o['prio']] ?? null)
        : null
  const thread = typeof o['thread'] === 'number' && o['thread'] > 0 ? o['thread'] : null
  const code = typeof o['err_code'] === 'number' ? { errorCode: `MY-${String(o['err_code']).padStart(6, '0')}` } : {}
  const draft = serverMessage(o['msg'])
  if (draft === null)
    return level === 'error' || level === 'warning'
      ? { what: 'other', stamp, level, connectionId: thread, reason: o['msg'].slice(0, 200), fields: code }
      : null
  return { stamp, level, connectionId: thread, ...draft, fields: { ...code, ...draft.fields } }
}

export const mysqlErrorJson: LogFormat = {
  id: 'mysql-error-json',
  title: 'MySQL error log, JSON sink',
  product: 'MySQL',
  role: 'server',
  examples: [
    `{ "prio" : 3, "err_code" : 10914, "subsystem" : "Server", "msg" : "Aborted connection 12 to db: 'app' user: 'app' host: '10.0.0.5' (Got an error reading communication packets).", "thread" : 12, "time" : "2026-08-03T19:19:01.501234Z", "ts" : 1785784741501, "err_symbol" : "ER_ABORTING_USER_CONNECTION", "SQL_state" : "HY000", "label" : "Note" }`,
  ],
  starts: (line) => line.charCodeAt(0) === 123 && START.test(line),
  open: each(read),
}
