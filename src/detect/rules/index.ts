/** Every rule, most specific first: a rule sees which sessions an earlier one has explained. */
import type { Rule } from '../rule.ts'
import authFailed from './auth-failed.ts'
import clientNoQuit from './client-no-quit.ts'
import clientTimeout from './client-timeout.ts'
import clientVanished from './client-vanished.ts'
import connectRefused from './connect-refused.ts'
import connectTimeout from './connect-timeout.ts'
import connectionKilled from './connection-killed.ts'
import handshakeTimeout from './handshake-timeout.ts'
import hostBlocked from './host-blocked.ts'
import probeWithoutHandshake from './probe-without-handshake.ts'
import proxyProtocolMismatch from './proxy-protocol-mismatch.ts'
import idleTimeoutProxy from './idle-timeout-proxy.ts'
import idleTimeoutServer from './idle-timeout-server.ts'
import middleboxReset from './middlebox-reset.ts'
import queryCancelled from './query-cancelled.ts'
import rstAfterQuery from './rst-after-query.ts'
import silentDrop from './silent-drop.ts'
import tooManyConnections from './too-many-connections.ts'
import wrongProtocol from './wrong-protocol.ts'

export const RULES: readonly Rule[] = [
  wrongProtocol,
  proxyProtocolMismatch,
  hostBlocked,
  tooManyConnections,
  handshakeTimeout,
  authFailed,
  connectRefused,
  connectTimeout,
  probeWithoutHandshake,
  connectionKilled,
  silentDrop,
  middleboxReset,
  idleTimeoutServer,
  idleTimeoutProxy,
  clientTimeout,
  clientVanished,
  rstAfterQuery,
  clientNoQuit,
  queryCancelled,
]
