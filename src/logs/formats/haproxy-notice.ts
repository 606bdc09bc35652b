/**
 * What HAProxy writes besides sessions: connects without tcplog, errors of a frontend's handshake, servers going up and down, its own
 * start and stop. Lines without a date of their own have the envelope's.
 */
import { type Draft, type Entry, each, type LogFormat } from '../format.ts'
import { readStamp } from '../stamp.ts'
import { endpoint } from '../words.ts'

const CONNECT = /^Connect from (\S+):(\d+) to (\S+):(\d+) \((\S+)\/(\w+)\)/
const FRONT = /^(unix|[0-9a-fA-F.:]+):(\d+) \[(\d\d\/\w{3}\/\d{4}:[\d:.]+)\] ([^\s/]{1,120})\/(\S{1,120}): (.*)$/
const SERVER =
  /^(?:\[(?:WARNING|ALERT|NOTICE)\] +(?:\d+\/\d+ )?\(\d+\) : )?(?:Backup )?[Ss]erver (\S+?)\/(\S+) is (UP|DOWN|going DOWN for maintenance|DRAIN|stopping|READY)([\s\S]*)$/
const PROXY =
  /^(?:\[(?:WARNING|ALERT|NOTICE)\] +(?:\d+\/\d+ )?\(\d+\) : )?(?:(?:Proxy|Stopping (?:backend|frontend|proxy)|Pausing|backend) (\S+) (started|stopped|has no server available|in \d+ ms)|Exiting Master|Current worker .* exited|haproxy version is|New worker|Loading success|Some tasks resisted to hard-stop|soft-stop running for too long|Server \S+ was DOWN and now)/
const MESSAGE = /^(?:Connection (?:error|closed)|SSL |Timeout during|Received something|Invalid PROXY|PROXY )/

function read({ text }: Entry): Draft | null {
  const connect = CONNECT.exec(text)
  if (connect !== null)
    return {
      what: 'connected',
      client: endpoint(connect[1]!, connect[2]!),
      fields: { frontend: connect[5]!, frontendAddress: endpoint(connect[3]!, connect[4]!) },
    }
  const front = FRONT.exec(text)
  if (front !== null)
    return {
      what: /SSL/.test(front[6]!) ? 'tls-failed' : 'error',
      stamp: readStamp(front[3]!)?.stamp ?? null,
      client: endpoint(front[1]!, front[2]!),
      reason: front[6]!,
      level: 'error',
      fields: { frontend: front[4]!, bind: front[5]! },
    }
  const server = SERVER.exec(text)
  if (server !== null) {
    const up = server[3] === 'UP' || server[3] === 'READY'
    const reason = /reason: ([^,]*)/.exec(server[4]!)?.[1]
    return {
      what: up ? 'server-up' : 'server-down',
      reason: reason ?? server[3]!,
      level: up ? 'info' : 'warning',
      fields: { backend: server[1]!, serverName: server[2]! },
    }
  }
  const proxy = PROXY.exec(text)
  if (proxy === null) return null
  const name: Draft['fields'] = proxy[1] === undefined ? {} : { proxy: proxy[1] }
  if (proxy[2] === 'has no server available')
    return { what: 'server-down', level: 'error', reason: proxy[2], fields: name! }
  if (/stopped|Exiting|exited|Stopping|hard-stop|soft-stop/.test(text))
    return { what: 'stopped', reason: text.slice(0, 200), fields: name! }
  return { what: 'started', reason: text.slice(0, 200), fields: name! }
}

export const haproxyNotice: LogFormat = {
  id: 'haproxy-notice',
  title: 'HAProxy, connects, handshake errors, state of servers and of itself',
  product: 'HAProxy',
  role: 'proxy',
  examples: [
    'Dec  3 18:27:14 localhost haproxy[6103]: 127.0.0.1:56059 [03/Dec/2012:17:35:10.380] frt/f1: Connection error during SSL handshake',
    'Feb  6 12:12:09 localhost haproxy[14385]: Connect from 10.0.1.2:33312 to 10.0.3.31:8012 (www/HTTP)',
    'Nov 20 17:30:02 lb1 haproxy[731]: Server mysql_back/db1 is DOWN, reason: Layer4 connection problem, info: "Connection refused", check duration: 0ms. 0 active and 0 backup servers left. 2 sessions active, 0 requeued, 0 remaining in queue.',
  ],
  starts: (line) => {
    const c = line.charCodeAt(0)
    if ((c >= 48 && c <= 57) || c === 58 || c === 117 || (c >= 97 && c <= 102)) {
      const m = line.includes(']') ? FRONT.exec(line) : null
      return m !== null && MESSAGE.test(m[6]!)
    }
    return (c >= 65 && c <= 91) || c === 98 ? CONNECT.test(line) || SERVER.test(line) || PROXY.test(line) : false
  },
  open: each(read),
}
