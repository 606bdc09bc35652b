/**
 * ProxySQL's audit log (mysql-auditlog_filename), JSON lines: who logged in to ProxySQL itself, who quit, whose session it closed.
 * `timestamp` is epoch milliseconds; `thread_id` is the id that ProxySQL gave its own client.
 */
import { object } from '../envelope.ts'
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { stampOfNumber } from '../stamp.ts'
import { endpointOf } from '../words.ts'

const START =
  /^\{.*"event" ?: ?"(?:MySQL_Client|Admin|SQLite3|PgSQL_Client)_(?:Connect_OK|Connect_ERR|Close|Quit|Init_DB|Change_User\w*)"/

const text = (v: unknown): string | null => (typeof v === 'string' && v !== '' ? v : null)

function read({ first }: Entry): Draft | null {
  const o = object(first)
  const event = text(o?.['event'])
  if (o === null || event === null) return null
  const error = text(o['error']) ?? text(o['extra_info'])
  const duration = /^([\d.]+)ms$/.exec(text(o['duration']) ?? '')?.[1]
  const head: Omit<Draft, 'what'> = {
    stamp: typeof o['timestamp'] === 'number' ? stampOfNumber(o['timestamp']) : null,
    frontId: typeof o['thread_id'] === 'number' ? o['thread_id'] : null,
    client: endpointOf(text(o['client_addr']) ?? '') ?? text(o['client_addr']),
    user: text(o['username']),
    schema: text(o['schemaname']),
    durationMillis: duration === undefined ? null : Number(duration),
    fields: {
      event,
      ...(text(o['proxy_addr']) === null ? {} : { proxyAddress: text(o['proxy_addr'])! }),
      ...(typeof o['ssl'] === 'boolean' ? { tls: o['ssl'] ? 1 : 0 } : {}),
    },
  }
  if (event.endsWith('Connect_OK')) return { ...head, what: 'connected' }
  if (event.endsWith('Connect_ERR')) return { ...head, what: 'auth-failed', closedBy: 'proxy', reason: error }
  if (event.endsWith('Quit')) return { ...head, what: 'closed', closedBy: 'client', state: 'quit', reason: 'COM_QUIT' }
  // Written whenever a session ends, whoever ended it.
  if (event.endsWith('Close')) return { ...head, what: 'closed', reason: error }
  return { ...head, what: 'other', reason: event }
}

export const proxysqlAudit: LogFormat = {
  id: 'proxysql-audit',
  title: 'ProxySQL audit log',
  product: 'ProxySQL',
  role: 'proxy',
  examples: [
    '{"client_addr":"127.0.0.1:39954","event":"MySQL_Client_Connect_OK","proxy_addr":"0.0.0.0:6033","schemaname":"mysql","ssl":false,"thread_id":3,"time":"2019-05-20 18:48:47.631","timestamp":1558363727631,"username":"sbtest"}',
    '{"client_addr":"127.0.0.1:39954","creation_time":"2019-05-20 18:48:47.631","duration":"11.123ms","event":"MySQL_Client_Close","extra_info":"MySQL_Thread.cpp:4307:process_all_sessions()","proxy_addr":"0.0.0.0:6033","schemaname":"mysql","ssl":false,"thread_id":3,"time":"2019-05-20 18:48:47.642","timestamp":1558363727642,"username":"sbtest"}',
  ],
  starts: (line) => line.charCodeAt(0) === 123 && START.test(line),
  open: each(read),
}
