/**
 * The questions that people ask when MySQL connections break, in their words, each with the answer and the way to it:
 * `mysqlconn explain "TLS/SSL error: Success (0)"`, `explain 2013`, `explain was-it-executed`; docs/questions.md. The worked example
 * of a question is the sample of its first rule.
 */
export interface Question {
  id: string
  /** As people ask it. */
  asks: string
  /** Messages by which they come: as text, and as what a message must match to be one of them. */
  messages: readonly string[]
  match: readonly RegExp[]
  /** Error codes that lead here. */
  codes: readonly number[]
  /** What it mostly is, in paragraphs. */
  answer: readonly string[]
  /** What to record, and what to type. */
  find: readonly string[]
  /** Rules that answer it, the most likely first. */
  rules: readonly string[]
}

export const QUESTIONS: readonly Question[] = [
  {
    id: 'idle-in-production',
    asks: 'It dies after some minutes idle, and only in production. Why?',
    messages: [
      'read ECONNRESET after a pause',
      'Connection timed out after a pause',
      'the first query in the morning fails',
    ],
    match: [/econnreset/i, /connection reset by peer/i, /etimedout|connection timed out/i, /broken pipe|epipe/i],
    codes: [2006, 2055],
    answer: [
      'Between application and database stands something with a memory: a load balancer, NAT, firewall or proxy. It forgets a connection that is silent for its own timeout, and tells nobody. The next query meets a RST (AWS NLB 350 s, most firewalls), or nothing at all until TCP gives up (Azure unless TCP reset is on, many firewalls).',
      'It is not wait_timeout: a server that closes sends a FIN (and since 8.0.24 error 4031) at the moment itself, not minutes later in answer to a query.',
    ],
    find: [
      'mysqlconn idle capture.pcap: the silences that were survived and those that were not, and the timers that fit',
      'let pools retire or ping idle connections more often than the shortest timer on the path; raise the timer where it is yours',
    ],
    rules: ['middlebox-reset', 'silent-drop', 'idle-timeout-proxy'],
  },
  {
    id: 'wait-timeout-with-a-pool',
    asks: 'wait_timeout, 8 hours: I have a pool, why do I still see it?',
    messages: [
      'The client was disconnected by the server because of inactivity',
      'Aborted connection N (Got timeout reading communication packets)',
      'Connection is not available, request timed out',
    ],
    match: [/because of inactivity/i, /wait_timeout/i, /interactive_timeout/i, /timeout reading communication/i],
    codes: [4031, 1159],
    answer: [
      'A pool keeps connections open, it does not use them. One that nobody borrows for wait_timeout is closed by the server; the pool finds out when it lends it next. A pool needs a lifetime, or a check before lending, shorter than the shortest timer on the path; and wait_timeout may not be 8 hours: a session, a proxy or init_connect can have set it lower.',
      'The client then reports 2006 or 2013, or what its driver makes of error 4031, which the server sends before it closes.',
    ],
    find: [
      'mysqlconn idle capture.pcap shows after how many seconds the server closed, and whether that was exact',
      'SELECT @@global.wait_timeout, @@session.wait_timeout on a connection of the pool',
    ],
    rules: ['idle-timeout-server', 'validation-too-late'],
  },
  {
    id: 'who-closed-it',
    asks: 'Who closed it: the server, the proxy, the client?',
    messages: [
      'Lost connection to MySQL server during query',
      'Closing unhealthy client connection',
      'Got an error reading communication packets',
      'Communications link failure',
    ],
    match: [
      /lost connection to (?:mysql )?server/i,
      /closing unhealthy client/i,
      /error reading communication packets/i,
      /communications link failure/i,
      /connection lost: the server closed/i,
      /detected a (?:broken|dead|offline)/i,
    ],
    codes: [2013, 2006, 1158, 1927, 3169],
    answer: [
      'Both sides say that the other one closed, since both only see the end. The wire says it: the first FIN or RST is the cause, everything after it is an echo. With a proxy in between there are two connections; the leg that broke first broke the other.',
      'A log that says "Aborted connection" or "unhealthy client" names who noticed, not who did it. Where a KILL, a shutdown, a crash or a timeout was the reason, it is seen before the close.',
    ],
    find: [
      'capture on both legs of the proxy: tcpdump -i any -s 0 -B 65536 -w both.pcap tcp port 3306 or tcp port 6033',
      'mysqlconn rst both.pcap: every connection that was cut, by whom, how long after the query; sessions show ID for its ladder',
    ],
    rules: [
      'rst-after-query',
      'connection-killed',
      'server-crash',
      'server-shutdown',
      'proxy-shutdown',
      'client-vanished',
      'injected-reset',
    ],
  },
  {
    id: 'followed-the-advice',
    asks: 'I set maxLifetime and keepalive as told, and it still happens. Why?',
    messages: [
      'The last packet successfully received from the server was N milliseconds ago',
      'No operations allowed after connection closed',
      'invalid connection',
    ],
    match: [
      /last packet successfully/i,
      /no operations allowed after connection closed/i,
      /driver: bad connection|invalid connection/i,
      /possibly consider using a shorter maxlifetime/i,
    ],
    codes: [],
    answer: [
      'The advice holds for one timer on one connection. It fails where a proxy ends the connection in between (TCP keep-alive and the pool’s ping stay on the front leg, or go to another server than the queries), where the shortest timer is shorter than the pool’s, or where the check comes only before lending and the connection dies in use.',
      'A read-write splitting proxy sends the ping to one server and the SELECT to another: the pinged connection lives, the other one ages.',
    ],
    find: [
      'mysqlconn idle capture.pcap names every timer that was met and what survived it; compare with maxLifetime and the interval of the checks',
      'record both legs of the proxy, so that the ping and the query can be told apart',
    ],
    rules: ['validation-wrong-connection', 'validation-too-late', 'middlebox-reset'],
  },
  {
    id: 'was-it-executed',
    asks: 'Was my query executed? Can I retry it?',
    messages: ['Lost connection to MySQL server during query', 'Commit outcome unknown', 'packets.go: unexpected EOF'],
    match: [
      /unexpected eof(?! while reading)/i,
      /lost connection .*during query/i,
      /outcome (?:is )?unknown/i,
      /retry/i,
    ],
    codes: [2013, 2055],
    answer: [
      'The error does not say. The wire mostly does: not-delivered (never acknowledged, or refused by a RST: safe to retry), delivered-unknown (the server’s kernel had it, no answer came: it may have run), response-begun (the answer had begun: it ran, at least in part), committed (the whole answer was seen after the client had left: do not retry).',
      'A write with an unknown outcome must be looked up before it is sent again, or be written so that twice does no harm.',
    ],
    find: [
      'mysqlconn rst capture.pcap: the column retry',
      `mysqlconn analyze capture.pcap --filter 'outcome == delivered-unknown': the list to reconcile`,
    ],
    rules: ['rst-after-query', 'client-timeout', 'server-crash'],
  },
  {
    id: 'packets-out-of-order',
    asks: 'Packets out of order, sequence number wrong, rows that belong to another query. What happened?',
    messages: [
      'Packets out of order. Got: 0 Expected: 1',
      'Got packets out of order',
      'Packet sequence number wrong - got 0 expected 1',
      'commands out of sync; you can’t run this command now',
    ],
    match: [
      /packets? out of order/i,
      /sequence number wrong/i,
      /out of sync/i,
      /malformed packet|malformpktexception/i,
    ],
    codes: [1156, 2014, 2027, 4031],
    answer: [
      'Got: 0 after a pause is the most frequent: the server has sent error 4031 for inactivity and closed. Its sequence id is 0, since nobody asked; a driver that expects an answer calls that out of order. It is an idle timeout.',
      'Other numbers mean that two speakers share one connection: two threads, a fork, a cancelled call that left its answer unread, or a proxy’s mix-up. The first packet that does not fit says where it began; rows of another query are the same thing with luck.',
    ],
    find: [
      'mysqlconn analyze capture.pcap: idle-timeout-server with 4031 is the first kind, packet-out-of-order the second',
      'mysqlconn sessions show ID capture.pcap: the command that was sent before the earlier one was answered',
    ],
    rules: ['packet-out-of-order', 'idle-timeout-server', 'response-desync', 'wrong-protocol'],
  },
  {
    id: 'leaked-session-state',
    asks: 'Another client’s session variables leaked into mine. How?',
    messages: [
      'fewer rows than there are (SQL_SELECT_LIMIT)',
      'wrong time zone or character set now and then',
      'autocommit is off and nobody turned it off',
    ],
    match: [
      /session (?:variables?|state) leak/i,
      /sql_select_limit/i,
      /wrong (?:time zone|charset|character set|collation)/i,
      /leaked?.*(?:variable|session)/i,
    ],
    codes: [],
    answer: [
      'A connection outlives its borrower: what one sets (variables, autocommit, isolation, schema, temporary tables, locks, an open transaction), the next one has, unless the pool resets it with COM_RESET_CONNECTION or COM_CHANGE_USER. Many drivers ping instead, which resets nothing.',
      'Multiplexing proxies add a second way: statements of one session run on different server connections, of which only some have the state.',
    ],
    find: [
      'mysqlconn sessions show ID capture.pcap: SET statements, and what came after them without a reset',
      'turn on the pool’s reset (resetConnection, connectionResetOnReturn, session-state tracking of the proxy)',
    ],
    rules: ['session-pollution', 'multiplex-state-loss', 'connection-sharing-blocked'],
  },
  {
    id: 'tls-hides-the-error',
    asks: 'TLS makes the message useless. What was it really?',
    messages: [
      'TLS/SSL error: Success (0)',
      'SSL connection error: unexpected eof while reading',
      'TLS/SSL error: Connection reset by peer (104)',
      'SSL_ERROR_SYSCALL',
    ],
    match: [
      /(?:tls|ssl)\/?(?:ssl)? error/i,
      /unexpected eof while reading/i,
      /ssl_error_(?:syscall|ssl|zero_return)/i,
      /ssl connection error/i,
      /error:0a0+|sslv3 alert|tlsv1 alert/i,
      /unexpected read from socket/i,
    ],
    codes: [2026, 2012],
    answer: [
      '"TLS/SSL error: Success (0)" is an end of the connection inside TLS: the other side closed TCP without a close_notify alert, errno is 0, and the library has nothing better to print. "unexpected eof while reading" is the same from OpenSSL 3. MariaDB closes like this on purpose, so the text alone means no attack and no broken TLS: it is 2013 in other words. Ask who closed, and why.',
      'When it comes during the handshake, a certificate, a version or a cipher was refused; the side that refused says so in an alert or in its log.',
      'When healthy sessions die right after somebody else’s failed handshake, the process has kept an old TLS error and takes it for theirs.',
    ],
    find: [
      'mysqlconn analyze capture.pcap: sizes and times speak without keys; a key log (SSLKEYLOGFILE) given as an input lets more be read',
    ],
    rules: ['tls-error-queue', 'tls-handshake-failure', 'tls-plaintext-quit', 'tls-required'],
  },
  {
    id: 'too-big-or-slow',
    asks: 'It was too big or too slow, but the error does not say so. How do I see it?',
    messages: [
      'MySQL server has gone away (on a large INSERT)',
      'Got a packet bigger than max_allowed_packet bytes',
      'Got timeout writing communication packets',
    ],
    match: [
      /max_allowed_packet/i,
      /packet bigger than/i,
      /gone away/i,
      /timeout writing communication/i,
      /packet (?:for query )?(?:is )?too large/i,
    ],
    codes: [1153, 2006, 2020, 1160, 1161],
    answer: [
      'A packet above max_allowed_packet makes the server answer 1153 and close at once. The client is still writing, meets a RST, and often never reads the error: it reports 2006. A reader that is too slow lets the server’s send buffer fill until net_write_timeout cuts it off. A server that the system has killed for its memory looks the same from outside, but takes all its connections along.',
    ],
    find: [
      'mysqlconn analyze capture.pcap: packet-too-large shows the length and the 1153 that nobody read; net-write-timeout the closed window',
      'SELECT @@max_allowed_packet on server, proxy and client: the smallest counts',
    ],
    rules: ['packet-too-large', 'net-write-timeout', 'server-crash', 'pmtu-black-hole'],
  },
  {
    id: 'after-failover',
    asks: 'After a failover the pool keeps dead or read-only connections. Why?',
    messages: [
      'The MySQL server is running with the --read-only option so it cannot execute this statement',
      'Server shutdown in progress',
      'Too many connections (after a failover)',
    ],
    match: [/read[-_]only option/i, /server shutdown in progress/i, /fail(?:ed )?over/i, /super.read.only/i],
    codes: [1290, 1053, 1836, 1040, 3100],
    answer: [
      'A pool does not know of the failover. Connections to the old server die with it (FIN or 1053 when it was stopped, nothing at all when its host vanished); those that a proxy or DNS led elsewhere live on and answer 1290. Until the pool has replaced each of them, errors come one by one.',
      'In Kubernetes add to that the connections that conntrack forgets or calls invalid: a RST from a host that had sent none.',
    ],
    find: [
      'mysqlconn analyze capture.pcap: all sessions that ended in the same moment are one finding, with what they have in common',
      'give the pool a short lifetime or a validation that writes; let the proxy cut connections to a demoted server',
    ],
    rules: [
      'server-shutdown',
      'proxy-shutdown',
      'connect-refused',
      'silent-drop',
      'too-many-connections',
      'injected-reset',
    ],
  },
]

/** Questions that what was typed leads to: an id, an error number, or a message; the best first. */
export function questionsFor(asked: string): Question[] {
  const query = asked.trim()
  if (query === '') return []
  const exact = QUESTIONS.filter((q) => q.id === query.toLowerCase())
  if (exact.length > 0) return exact
  const code = /^(?:ERROR\s+|ERR\s+|error[:=]?\s*|CR_|ER_)?(\d{4})\b(?:\s*\(\w+\))?$/i.exec(query)
  if (code !== null) return QUESTIONS.filter((q) => q.codes.includes(Number(code[1])))
  // A short word fits too much by chance.
  if (query.length < 6) return []
  return QUESTIONS.map((q) => ({ q, n: q.match.filter((m) => m.test(query)).length }))
    .filter(({ n }) => n > 0)
    .sort((a, b) => b.n - a.n)
    .map(({ q }) => q)
}
