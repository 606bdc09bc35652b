/**
 * HAProxy's `option httplog`, seen where a stats page or an HTTP service shares the log, or where `mode http` was put before MySQL by
 * mistake: the termination state has four letters, of which the first two are those of tcplog.
 */
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { readStamp } from '../stamp.ts'
import { endpoint } from '../words.ts'
import { sessionEnd } from './haproxy-tcplog.ts'

const LINE =
  /^(unix|[0-9a-fA-F.:]+):(\d+) \[([^\]]+)\] (\S+) ([^/\s]+)\/(\S+) (-?\d+)\/(-?\d+)\/(-?\d+)\/(-?\d+)\/(\+?)(-?\d+) (-?\d+) \+?(\d+) (\S+) (\S+) ([-A-Za-z]{2})([-A-Za-z]{2}) (\d+)\/(\d+)\/(\d+)\/(\d+)\/(\+?\d+) (\d+)\/(\d+)(?=\s|$)/

function read({ text }: Entry): Draft | null {
  const m = LINE.exec(text)
  if (m === null) return null
  return sessionEnd({
    client: endpoint(m[1]!, m[2]!),
    accepted: readStamp(m[3]!),
    frontend: m[4]!,
    backend: m[5]!,
    server: m[6]!,
    totalMillis: Number(m[12]),
    early: m[11] === '+',
    bytes: Number(m[14]),
    state: m[17]!,
    fields: {
      httpStatus: Number(m[13]),
      queueMillis: Number(m[8]),
      connectMillis: Number(m[9]),
      retries: Number(m[23]),
    },
  })
}

export const haproxyHttplog: LogFormat = {
  id: 'haproxy-httplog',
  title: 'HAProxy, option httplog',
  product: 'HAProxy',
  role: 'proxy',
  examples: [
    'Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1"',
  ],
  starts: (line) => {
    const c = line.charCodeAt(0)
    return ((c >= 48 && c <= 58) || (c >= 97 && c <= 117)) && line.includes(' [') && LINE.test(line)
  },
  open: each(read),
}
