/**
 * Our own pool trace (docs/pool-trace.md): one JSON object a line, as `mysqlconn/pool-trace` writes it and as any pool may. Who had which
 * connection, from when to when, what was validated, and what the server calls the connection.
 */

import { whatOfCode } from '../driver-codes.ts'
import { object } from '../envelope.ts'
import type { LogWhat } from '../event.ts'
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { readStamp, stampOfNumber } from '../stamp.ts'
import { endpoint, endpointOf } from '../words.ts'

const EVENTS: Readonly<Record<string, LogWhat>> = {
  checkout: 'checkout',
  checkin: 'checkin',
  connect: 'connected',
  close: 'closed',
  validate: 'validated',
}
const START = /^\{(?=.*"event" ?: ?"(?:checkout|checkin|connect|close|validate)")(?=.*"at" ?: ?(?:"\d|\d))/

const text = (v: unknown): string | null => (typeof v === 'string' && v !== '' ? v : null)
const whole = (v: unknown): number | null => (typeof v === 'number' && Number.isSafeInteger(v) && v >= 0 ? v : null)

function read({ first }: Entry): Draft | null {
  const o = object(first)
  const event = text(o?.['event'])
  const what = event === null ? undefined : EVENTS[event]
  if (o === null || what === undefined) return null
  const at = o['at']
  const port = whole(o['localPort'])
  const local = text(o['local'])
  const code = whole(o['code'])
  const error = text(o['error'])
  const failed = o['ok'] === false || error !== null || code !== null
  return {
    what: failed ? failure(what, code) : what,
    stamp: typeof at === 'number' ? stampOfNumber(at) : (readStamp(text(at) ?? '')?.stamp ?? null),
    connectionId: whole(o['connectionId']),
    client: local !== null ? endpointOf(local) : port === null ? null : endpoint('', port),
    server: endpointOf(text(o['server']) ?? ''),
    pool: text(o['pool']),
    poolConnection: text(o['connection']) ?? (whole(o['connection']) === null ? null : String(o['connection'])),
    borrower: text(o['borrower']),
    statement: text(o['statement']),
    closedBy: what === 'closed' && !failed ? 'pool' : null,
    code,
    reason: error ?? text(o['reason']),
    level: failed ? 'error' : null,
  }
}

function failure(what: LogWhat, code: number | null): LogWhat {
  if (what === 'connected') {
    const says = code === null ? 'connect-failed' : whatOfCode(code)
    return says === 'error' || says === 'broken' ? 'connect-failed' : says
  }
  if (what === 'validated') return 'validation-failed'
  if (what === 'checkout') return 'exhausted'
  return 'broken'
}

export const poolTrace: LogFormat = {
  id: 'pool-trace',
  title: 'Pool trace of mysqlconn (NDJSON)',
  product: 'pool',
  role: 'pool',
  examples: [
    '{"at":"2026-11-20T17:18:40.998123Z","event":"checkout","pool":"orders","connectionId":42,"localPort":59186,"borrower":"checkout-svc"}',
    '{"at":"2026-11-20T17:18:41.102001Z","event":"validate","pool":"orders","connectionId":42,"ok":false,"code":2013,"error":"Connection lost: The server closed the connection."}',
  ],
  starts: (line) => line.charCodeAt(0) === 123 && START.test(line),
  open: each(read),
}
