/** Every rule, most specific first: a rule sees which sessions an earlier one has explained. */
import type { Rule } from '../rule.ts'
import authFailed from './auth-failed.ts'
import clientNoQuit from './client-no-quit.ts'
import clientTimeout from './client-timeout.ts'
import clientVanished from './client-vanished.ts'
import connectRefused from './connect-refused.ts'
import connectTimeout from './connect-timeout.ts'
import connectionKilled from './connection-killed.ts'
import connectionSharingBlocked from './connection-sharing-blocked.ts'
import handshakeTimeout from './handshake-timeout.ts'
import hostBlocked from './host-blocked.ts'
import idleTimeoutProxy from './idle-timeout-proxy.ts'
import idleTimeoutServer from './idle-timeout-server.ts'
import injectedReset from './injected-reset.ts'
import middleboxReset from './middlebox-reset.ts'
import multiplexStateLoss from './multiplex-state-loss.ts'
import netWriteTimeout from './net-write-timeout.ts'
import packetLoss from './packet-loss.ts'
import packetOutOfOrder from './packet-out-of-order.ts'
import packetTooLarge from './packet-too-large.ts'
import pmtuBlackHole from './pmtu-black-hole.ts'
import portReuse from './port-reuse.ts'
import probeWithoutHandshake from './probe-without-handshake.ts'
import proxyProtocolMismatch from './proxy-protocol-mismatch.ts'
import proxyShutdown from './proxy-shutdown.ts'
import queryCancelled from './query-cancelled.ts'
import responseDesync from './response-desync.ts'
import rstAfterQuery from './rst-after-query.ts'
import serverCrash from './server-crash.ts'
import serverShutdown from './server-shutdown.ts'
import sessionPollution from './session-pollution.ts'
import silentDrop from './silent-drop.ts'
import tlsErrorQueue from './tls-error-queue.ts'
import tlsHandshakeFailure from './tls-handshake-failure.ts'
import tlsPlaintextQuit from './tls-plaintext-quit.ts'
import tlsRequired from './tls-required.ts'
import tooManyConnections from './too-many-connections.ts'
import validationTooLate from './validation-too-late.ts'
import validationWrongConnection from './validation-wrong-connection.ts'
import wrongProtocol from './wrong-protocol.ts'

export const RULES: readonly Rule[] = [
  wrongProtocol,
  proxyProtocolMismatch,
  hostBlocked,
  tooManyConnections,
  handshakeTimeout,
  tlsRequired,
  authFailed,
  connectRefused,
  connectTimeout,
  tlsHandshakeFailure,
  probeWithoutHandshake,
  connectionKilled,
  packetTooLarge,
  netWriteTimeout,
  serverShutdown,
  serverCrash,
  tlsErrorQueue,
  proxyShutdown,
  pmtuBlackHole,
  silentDrop,
  middleboxReset,
  injectedReset,
  idleTimeoutServer,
  idleTimeoutProxy,
  validationWrongConnection,
  validationTooLate,
  responseDesync,
  packetOutOfOrder,
  clientTimeout,
  clientVanished,
  rstAfterQuery,
  clientNoQuit,
  tlsPlaintextQuit,
  queryCancelled,
  portReuse,
  packetLoss,
  sessionPollution,
  multiplexStateLoss,
  connectionSharingBlocked,
]
