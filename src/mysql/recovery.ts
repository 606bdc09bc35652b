/**
 * What happens when the place in a direction's bytes is lost, by a gap or by bytes that are not MySQL, and how it is found
 * again. What a segment must look like for that is in resync.ts.
 */
import { CLIENT, type Direction, SERVER } from '../core/direction.ts'
import { Answer, answerOf } from './commands.ts'
import { type Context, Phase } from './context.ts'
import { Mode } from './framing.ts'
import { answerBegins, commandBegins, errAlone, resultGoesOn } from './resync.ts'
import type { ServerSide } from './server-side.ts'

export class Recovery {
  /** Recognised in the middle of its life: the server's place was never known, and finding it is nothing to tell. */
  begunMidway = false
  private readonly c: Context
  private readonly serverSide: ServerSide

  constructor(c: Context, serverSide: ServerSide) {
    this.c = c
    this.serverSide = serverSide
  }

  /** The place is lost: the message in hand is given up. */
  lose(dir: Direction): void {
    const c = this.c
    const reader = dir === CLIENT ? c.client : c.server
    reader.reset()
    reader.lost = true
    if (dir === SERVER) {
      this.lostAnswers(1)
      return
    }
    c.clientUnsure = true
    c.sendingFile = false
  }

  /** A command begins: answers that were under way when the server's bytes went missing will not come any more. */
  newCommand(): void {
    if (this.c.server.lost && !this.c.pipelined) this.lostAnswers(0)
  }

  /** Whether a command begins here, so that the client's bytes can be read again. */
  client(buf: Uint8Array, start: number, end: number): boolean {
    const c = this.c
    if (!commandBegins(buf, start, end)) return false
    if (c.phase !== Phase.command) {
      c.phase = Phase.command
      c.changingUser = false
      c.server.expected = -1
    }
    c.client.lost = false
    c.client.reset()
    c.sendingFile = false
    c.listener.resynced(CLIENT, c.at, c.frame)
    return true
  }

  /** Whether an answer begins or goes on here, so that the server's bytes can be read again. */
  server(buf: Uint8Array, start: number, end: number): boolean {
    const c = this.c
    const side = this.serverSide
    const awaited = c.queue.length > 0
    if (c.phase !== Phase.command) {
      if (!answerBegins(buf, start, end, -1) && !errAlone(buf, start, end)) return false
    } else if (awaited && side.answering) {
      // An ERR with sequence id 0 answers nothing: the server’s farewell (4031), after a result of which the end is missing.
      if (resultGoesOn(buf, start, end)) side.resumeRows()
      else if (errAlone(buf, start, end) && buf[start + 3] === 0) this.lostAnswers(0)
      else return false
    } else if (awaited && answerBegins(buf, start, end, c.queue.expected)) {
      c.server.mode = Mode.messages
    } else if (awaited && answerOf(c.queue.op) === Answer.stream && resultGoesOn(buf, start, end)) {
      c.server.mode = Mode.messages
    } else if (!errAlone(buf, start, end)) return false
    c.server.lost = false
    c.server.reset()
    if (this.begunMidway) this.begunMidway = false
    else c.listener.resynced(SERVER, c.at, c.frame)
    return true
  }

  /** Gives up the answers to the oldest commands, all but `keep` of them. Pipelining clients may have several open. */
  private lostAnswers(keep: number): void {
    const c = this.c
    while (c.queue.length > keep && !c.pipelined) {
      c.queue.shift()
      this.serverSide.reset()
      c.listener.answerLost(c.at, c.frame)
    }
  }
}
