/** What both directions of one MySQL connection share while it is decoded. */
import type { AnomalyLog } from '../core/anomaly.ts'
import { type Direction, sideName } from '../core/direction.ts'
import type { Instant } from '../core/time.ts'
import { Capability, has, MariadbCapability } from './capabilities.ts'
import { CommandQueue } from './command-queue.ts'
import type { PacketReader } from './framing.ts'
import type { MysqlListener } from './listener.ts'

/** Where the connection stands (manual: Connection Phase, Command Phase). */
export const Phase = {
  /** Nothing from the server yet. */
  greeting: 0,
  /** The client is to answer the greeting. */
  login: 1,
  /** Authentication exchange, also of COM_CHANGE_USER. */
  auth: 2,
  command: 3,
} as const
export type Phase = (typeof Phase)[keyof typeof Phase]

/** Unknown, no, yes: for options of connections whose login was not seen. */
export type Maybe = -1 | 0 | 1

export class Context {
  readonly listener: MysqlListener
  readonly anomalies: AnomalyLog
  readonly queue = new CommandQueue()
  client!: PacketReader
  server!: PacketReader

  /** The packet whose bytes are being read. */
  at: Instant = 0
  frame = 0

  phase: Phase = Phase.greeting
  /** COM_CHANGE_USER is in its authentication exchange. */
  changingUser = false
  /** LOAD DATA LOCAL: the client is sending the file. */
  sendingFile = false
  /** The login was seen: capabilities are known. */
  known = false
  serverCapabilities = 0xffffffff
  /** Of client and server both. */
  capabilities: number = Capability.CLIENT_PROTOCOL_41
  serverMariadb = 0xffffffff
  mariadb = 0
  maxPacketSize = 0
  deprecateEof: Maybe = -1
  queryAttributes: Maybe = -1
  authPlugin = ''
  /** SSLRequest was seen. */
  tls = false
  /** After the final OK of the login, packets are compressed. */
  compressed = false
  /** Client bytes went missing since the last command: answers may belong to commands never seen. */
  clientUnsure = false
  /** Several commands were really outstanding at once. */
  pipelined = false
  /** The connection was handed to another protocol (COM_CLONE): nothing more is read. */
  handedOver = false
  private saidInferred = false

  constructor(listener: MysqlListener, anomalies: AnomalyLog) {
    this.listener = listener
    this.anomalies = anomalies
  }

  /** The login tells what both sides can do. */
  agree(capabilities: number, mariadb: number): void {
    this.known = true
    this.capabilities = (capabilities & this.serverCapabilities) >>> 0
    this.mariadb = (mariadb & this.serverMariadb) >>> 0
    this.deprecateEof = has(this.capabilities, Capability.CLIENT_DEPRECATE_EOF) ? 1 : 0
    this.queryAttributes = has(this.capabilities, Capability.CLIENT_QUERY_ATTRIBUTES) ? 1 : 0
  }

  /** The server may leave out the definitions of a result's columns. */
  get metadataIsOptional(): boolean {
    return (
      !this.known ||
      has(this.capabilities, Capability.CLIENT_OPTIONAL_RESULTSET_METADATA) ||
      has(this.mariadb, MariadbCapability.MARIADB_CLIENT_CACHE_METADATA)
    )
  }

  /** An option was read from the traffic instead of the login. */
  infer(what: string): void {
    this.listener.inferred(what)
    if (this.saidInferred) return
    this.saidInferred = true
    this.anomalies.note('mysql.inferred', this.frame, () => `frame ${this.frame}: ${what}`)
  }

  /** How a result ended tells whether EOF packets are in use, where that is not known. */
  inferEof(deprecateEof: 0 | 1): void {
    if (this.deprecateEof >= 0) return
    this.deprecateEof = deprecateEof
    this.infer(deprecateEof === 0 ? 'EOF packets' : 'CLIENT_DEPRECATE_EOF')
  }

  unreadable(dir: Direction, what: string): void {
    this.listener.unreadable(dir, what, this.at, this.frame)
    this.anomalies.note('mysql.unreadable', this.frame, () => `frame ${this.frame}: ${what} from the ${sideName(dir)}`)
  }

  truncated(what: string): void {
    this.anomalies.note('mysql.truncated-message', this.frame, () => `frame ${this.frame}: ${what}`)
  }
}
