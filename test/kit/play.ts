/**
 * The playbook: a MySQL connection told as a story, which becomes real frames.
 *
 *   const p = play({ client: '10.0.0.1:40000', rtt: '0.5ms' })
 *   p.connect().login().query('SELECT 1', rows(1)).wait('10s')
 *   p.as('lost query').query('SELECT 2').as('reset').server.rst()
 *   const { bytes, frame } = capture(p)      // a pcap file, and frame('reset') = its frame number
 *
 * Every verb sends what a real stack would send; `client` and `server` send single segments. Verbs return the play.
 */
import * as mysql from './mysql-encode.ts'
import { startTls } from './play-tls.ts'
import { ok, prepared, type Reply } from './reply.ts'
import { type SideName, type Span, TcpPlay } from './tcp-play.ts'
import type { WireOptions } from './wire.ts'

export * from './reply.ts'
export { type Capture, type CaptureOptions, capture, type SideName, type Span } from './tcp-play.ts'
export type { SegmentOverride } from './wire.ts'

export interface LoginOptions {
  user?: string
  schema?: string
  serverVersion?: string
  connectionId?: number
  serverCapabilities?: number
  clientCapabilities?: number
  plugin?: string
  attributes?: Record<string, string>
  /** The server's last word; ok() unless given. */
  reply?: Reply
}

export interface CommandOptions {
  /** The server's time to answer. */
  after?: Span
}

let nextConnectionId = 11

export class Play extends TcpPlay {
  /** Capabilities both sides agreed on. */
  capabilities = mysql.CLIENT_CAPABILITIES
  connectionId = 0

  /** The server's first packet alone. */
  greet(o: LoginOptions = {}): this {
    this.connectionId = o.connectionId ?? nextConnectionId++
    const greeting = mysql.greeting({
      version: o.serverVersion ?? '8.4.3',
      connectionId: this.connectionId,
      capabilities: o.serverCapabilities ?? mysql.MYSQL_8_CAPABILITIES,
      plugin: o.plugin ?? 'caching_sha2_password',
    })
    return this.say('server', greeting, 0)
  }
  /** Greeting, login, fast authentication, OK (or `reply`). */
  login(o: LoginOptions = {}): this {
    this.greet(o)
    const plugin = o.plugin ?? 'caching_sha2_password'
    this.capabilities =
      (o.clientCapabilities ?? mysql.CLIENT_CAPABILITIES) & (o.serverCapabilities ?? mysql.MYSQL_8_CAPABILITIES)
    const response = mysql.handshakeResponse({
      capabilities: this.capabilities,
      user: o.user ?? 'app',
      schema: o.schema ?? 'shop',
      password: new Uint8Array(plugin === 'caching_sha2_password' ? 32 : 20).fill(0x5a),
      plugin,
      attributes: o.attributes ?? { _client_name: 'libmysql', _pid: '4711' },
    })
    // SSLRequest takes the first number (manual: Protocol::SSLRequest).
    const id = this.wire.tls ? 2 : 1
    if (this.wire.tls) startTls(this.sslRequest(this.capabilities | mysql.Cap.SSL))
    this.say('client', response, id)
    if (o.reply !== undefined) return this.answer(o.reply, id + 1)
    if (plugin !== 'caching_sha2_password') return this.answer(ok(), id + 1)
    return this.say('server', mysql.join(1, 3), id + 1).answer(ok(), id + 2)
  }
  /** An ERR packet instead of the greeting, as for 1040 and 1129. */
  greetError(code: number, message: string): this {
    return this.say('server', mysql.errPacket(code, '', message), 0)
  }
  /** The client asks for TLS; what follows is up to `client.data` and `server.data`. */
  sslRequest(capabilities: number = mysql.CLIENT_CAPABILITIES): this {
    return this.say('client', mysql.sslRequest(capabilities), 1)
  }
  /** Any command: its byte, its argument, and the answer if there is one. */
  command(
    op: number,
    argument: mysql.Bytes | string = '',
    reply?: Reply,
    o: CommandOptions = {},
    binary = false,
  ): this {
    this.say('client', mysql.join(op, argument), 0)
    if (reply === undefined) return this
    if (o.after !== undefined) this.wait(o.after)
    return this.answer(reply, 1, binary)
  }
  /** COM_QUERY; without a reply the statement stays outstanding. */
  query(sql: string, reply?: Reply, o?: CommandOptions): this {
    const attributes = this.capabilities & mysql.Cap.QUERY_ATTRIBUTES ? [0, 1] : []
    return this.command(0x03, mysql.join(attributes, sql), reply, o)
  }
  ping(reply: Reply | undefined = ok(), o?: CommandOptions): this {
    return this.command(0x0e, '', reply, o)
  }
  initDb(schema: string, reply: Reply | undefined = ok()): this {
    return this.command(0x02, schema, reply)
  }
  resetConnection(reply: Reply | undefined = ok()): this {
    return this.command(0x1f, '', reply)
  }
  prepare(sql: string, statementId: number, parameters = 0, columns = 0): this {
    return this.command(0x16, sql, prepared(statementId, parameters, columns))
  }
  /** COM_STMT_EXECUTE without parameters. */
  execute(statementId: number, reply?: Reply, o?: CommandOptions): this {
    return this.command(0x17, mysql.join(mysql.int(statementId, 4), 0, mysql.int(1, 4)), reply, o, true)
  }
  closeStatement(statementId: number): this {
    return this.command(0x19, mysql.int(statementId, 4))
  }
  /** KILL as a statement, of another play's connection. */
  kill(connectionId: number, what: 'CONNECTION' | 'QUERY' = 'CONNECTION'): this {
    return this.query(`KILL ${what} ${connectionId}`, ok())
  }
  /** A packet that no command asked for (4031, 1053). */
  unsolicited(reply: Reply): this {
    return this.answer(reply, 0)
  }
  /** COM_QUIT, then both FINs. */
  quit(o: { fin?: boolean } = {}): this {
    this.command(0x01)
    return o.fin === false ? this : this.close('client')
  }
  /** The answer to the command before: its messages as packets from `sequenceId` on. */
  answer(reply: Reply, sequenceId = 1, binary = false): this {
    const deprecateEof = (this.capabilities & mysql.Cap.DEPRECATE_EOF) !== 0
    const payloads = reply({ deprecateEof, binary }, false)
    const parts: mysql.Bytes[] = []
    for (const payload of payloads) {
      parts.push(mysql.packets(payload, sequenceId & 255))
      sequenceId += 1 + Math.floor(payload.length / 0xffffff)
    }
    this.server.data(mysql.join(...parts))
    return this
  }
  /** One MySQL packet. */
  say(side: SideName, payload: mysql.Bytes, sequenceId: number): this {
    this[side].data(mysql.packets(payload, sequenceId))
    return this
  }
}

export const play = (o: WireOptions = {}): Play => new Play(o)
