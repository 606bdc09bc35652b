/** HAProxy termination states for TCP proxies (configuration manual, "Session state at disconnection"; src/log.c). */
import type { Knowledge } from './knowledge.ts'

/** First character: who or what ended the session. Second: what it was doing. */
const row = (symbol: string, text: string, means: string, next: string, rules: readonly string[] = []): Knowledge => ({
  key: `HAProxy:${symbol}`,
  source: 'HAProxy termination state',
  symbol,
  text,
  means,
  next,
  rules,
})

const HAPROXY_ROLE = 'HAProxy closed it, neither the client nor the server did.'

export const HAPROXY_STATES: readonly Knowledge[] = [
  row(
    '--',
    'normal end, closed by either side',
    'HAProxy only passed on a close. A COM_QUIT and a server’s wait_timeout look the same here.',
    'The capture of the server leg shows which side closed first. HAProxy is not to blame on this line alone.',
    ['idle-timeout-server', 'client-no-quit'],
  ),
  row(
    'cD',
    'timeout client expired in the data phase',
    `${HAPROXY_ROLE} Nothing came from the client for "timeout client".`,
    'Compare the idle gaps with "timeout client": they cluster at it. Let the pool retire connections earlier, or raise timeout client and timeout server together.',
    ['idle-timeout-proxy'],
  ),
  row(
    'sD',
    'timeout server expired in the data phase',
    `${HAPROXY_ROLE} Nothing came from the server for "timeout server". A statement that runs silently for longer is cut as well.`,
    'With a command outstanding at the cut it was a long query and not an idle connection. Raise timeout server above the longest statement.',
    ['idle-timeout-proxy', 'rst-after-query'],
  ),
  row(
    'CD',
    'the client closed or reset in the data phase',
    'The client, or a device between it and HAProxy, aborted while data was still on its way.',
    'Look at the client leg: its own read timeout (client-timeout), a killed process (client-vanished), or a device with its own timer.',
    ['client-timeout', 'client-vanished', 'client-no-quit'],
  ),
  row(
    'SD',
    'the server closed or reset in the data phase',
    'HAProxy received a RST from the server’s side (or an ICMP error) while data was flowing.',
    'Look at the server leg and at the server’s error log at that second: KILL, crash, shutdown, or a device before the server.',
    ['rst-after-query', 'connection-killed', 'server-crash'],
  ),
  row(
    'SC',
    'the server refused the connection',
    'The TCP connect to the server was refused: RST, ICMP or no route.',
    'Is the server up and listening on that port? HAProxy’s health check may be too slow to notice.',
    ['connect-refused'],
  ),
  row(
    'sC',
    'timeout connect expired',
    'The SYN to the server was not answered within "timeout connect".',
    'A firewall that drops, a host that is down, or a full accept queue at the server.',
    ['connect-timeout'],
  ),
  row(
    'sQ',
    'the session waited too long in the queue',
    'The server’s maxconn was in use for "timeout queue": no connection was free.',
    'Raise maxconn of the server line, or find who holds the connections.',
  ),
  row(
    'CC',
    'the client left while HAProxy was connecting',
    'The client gave up before the server had accepted.',
    'The client’s connect timeout is shorter than HAProxy’s connect and retries.',
    ['client-timeout'],
  ),
  row(
    'CQ',
    'the client left while waiting in the queue',
    'The client gave up while HAProxy waited for a free server connection.',
    'As for sQ, with a client less patient than "timeout queue".',
  ),
  row(
    'PC',
    'HAProxy refused to connect',
    'A limit of HAProxy (maxconn of the process, a deny rule, file descriptors) stopped the session.',
    'HAProxy’s own log and "show info": Maxconn, CurrConns.',
  ),
  row(
    'PD',
    'HAProxy blocked it in the data phase',
    `${HAPROXY_ROLE} A rule or a protocol check of HAProxy's ended it.`,
    'tcp-request and tcp-response rules of the front end and back end.',
  ),
  row(
    'RC',
    'HAProxy ran out of a resource',
    'No source port, memory or file descriptor was left for the connection to the server.',
    'Source ports first: many short connections to one server address. Use "source" with a range, or more addresses.',
  ),
  row(
    'LR',
    'answered by HAProxy itself',
    'HAProxy handled it locally; no server was involved.',
    'Statistics page, redirect or return rule: the client reached the wrong port.',
    ['wrong-protocol'],
  ),
  row(
    'DD',
    'killed because the server went down',
    `${HAPROXY_ROLE} The server was marked down, with on-marked-down shutdown-sessions.`,
    'HAProxy’s log of the health check at that time; every session of that server ends at once.',
    ['proxy-shutdown'],
  ),
  row(
    'UD',
    'killed because a better server came back',
    `${HAPROXY_ROLE} A non-backup server came up, with on-marked-up shutdown-backup-sessions.`,
    'HAProxy’s log of the health check at that time.',
    ['proxy-shutdown'],
  ),
  row(
    'KD',
    'killed by an administrator',
    `${HAPROXY_ROLE} Someone said "shutdown session(s)" on its socket, or hard-stop-after ran out at a reload.`,
    'Who used the admin socket, or when was HAProxy reloaded?',
    ['proxy-shutdown'],
  ),
  row('ID', 'internal error', `${HAPROXY_ROLE} It met an internal error.`, 'HAProxy’s version and its own log.'),
]
