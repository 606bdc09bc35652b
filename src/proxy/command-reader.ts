/**
 * Reads just enough of what a client sends to choose connections for a fault: user and schema of the login, and the begin of each
 * command. A command is a packet numbered 0 (manual: MySQL Packets); packets of the login are numbered from 1.
 */
export interface CommandSeen {
  op: number
  /** Statement of COM_QUERY, cut; '' for others. */
  sql: string
}

/** Bytes of a packet that are looked at. */
const MOST = 1024
const CLIENT_CONNECT_WITH_DB = 0x8
const CLIENT_SSL = 0x800
const CLIENT_SECURE = 0x8000
const CLIENT_LENENC_AUTH = 0x200000

export class CommandReader {
  user: string | null = null
  schema: string | null = null
  private readonly onCommand: (c: CommandSeen) => void
  private readonly head = Buffer.alloc(4)
  private headLength = 0
  private left = 0
  private readonly kept = Buffer.alloc(MOST)
  private keptLength = 0
  /** TLS has begun: nothing more can be read. */
  private blind = false

  constructor(onCommand: (c: CommandSeen) => void) {
    this.onCommand = onCommand
  }

  feed(buf: Uint8Array, start: number, end: number): void {
    let at = start
    while (at < end && !this.blind) {
      if (this.headLength < 4) {
        this.head[this.headLength++] = buf[at++]!
        if (this.headLength < 4) continue
        this.left = this.head.readUIntLE(0, 3)
        this.keptLength = 0
        if (this.left > 0) continue
      }
      const n = Math.min(this.left, end - at)
      const keep = Math.min(n, MOST - this.keptLength)
      this.kept.set(buf.subarray(at, at + keep), this.keptLength)
      this.keptLength += keep
      this.left -= n
      at += n
      if (this.left === 0) {
        this.headLength = 0
        this.packet(this.head[3]!, this.kept.subarray(0, this.keptLength))
      }
    }
  }

  private packet(number: number, p: Buffer): void {
    if (number !== 0) {
      if (this.user === null && p.length >= 32) this.login(p)
      return
    }
    if (p.length === 0) return
    const op = p[0]!
    if (op === 0x02) this.schema = p.toString('utf8', 1)
    this.onCommand({ op, sql: op === 0x03 ? p.toString('utf8', 1) : '' })
  }

  /** HandshakeResponse41, or an SSLRequest, which is its first 32 bytes. */
  private login(p: Buffer): void {
    const capabilities = p.readUInt32LE(0)
    if ((capabilities & CLIENT_SSL) !== 0 && p.length === 32) {
      this.blind = true
      return
    }
    const end = p.indexOf(0, 32)
    if (end < 0) return
    this.user = p.toString('utf8', 32, end)
    let at = end + 1
    if ((capabilities & (CLIENT_SECURE | CLIENT_LENENC_AUTH)) !== 0) at += 1 + (p[at] ?? 0)
    else at = Math.max(at, p.indexOf(0, at)) + 1
    if ((capabilities & CLIENT_CONNECT_WITH_DB) === 0) return
    const last = p.indexOf(0, at)
    if (last >= at) this.schema = p.toString('utf8', at, last)
  }
}
