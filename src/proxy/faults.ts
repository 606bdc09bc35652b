/**
 * Faults on purpose (`--fault`): what breaks connections in production, done to chosen ones, so that a team can see what its pool
 * makes of it before the next incident. Every fault is noted in the recording as ours.
 */
import { MysqlconnError } from '../core/errors.ts'
import { CommandReader, type CommandSeen } from './command-reader.ts'
import type { Flow, Valve } from './flow.ts'
import { parseDuration, parseSize } from './settings.ts'

export const FAULTS = [
  'rst-after-query',
  'fin-after-query',
  'idle-timeout',
  'silent-drop',
  'slow-reader',
  'delay',
  'truncate',
] as const

export interface Fault {
  kind: (typeof FAULTS)[number]
  /** Milliseconds of idle-timeout and delay, bytes per second of slow-reader, bytes of truncate. */
  amount: number
  probability: number
  match: Match | null
}

export interface Match {
  what: 'user' | 'schema' | 'sql'
  is: RegExp
}

/** `rst-after-query`, `idle-timeout=10s`, `delay=200ms`, `slow-reader=10KB`, `truncate=100`. Throws E_USAGE. */
export function parseFault(text: string, probability: number, match: string | undefined): Fault {
  const [kind, amount] = text.split('=', 2) as [string, string | undefined]
  const known = FAULTS.find((f) => f === kind)
  if (known === undefined)
    throw new MysqlconnError('E_USAGE', `--fault: there is no '${kind}'`, `faults: ${FAULTS.join(', ')}`)
  if (!(probability > 0 && probability <= 1))
    throw new MysqlconnError('E_USAGE', '--fault-probability is a number above 0 and up to 1')
  return {
    kind: known,
    amount: amountOf(known, amount),
    probability,
    match: match === undefined ? null : parseMatch(match),
  }
}

function amountOf(kind: Fault['kind'], text: string | undefined): number {
  if (kind === 'idle-timeout' || kind === 'delay') {
    if (text === undefined)
      throw new MysqlconnError('E_USAGE', `--fault ${kind} needs a time`, `write it as ${kind}=10s`)
    return parseDuration(text, `--fault ${kind}`)
  }
  if (kind === 'slow-reader') return parseSize(text ?? '10KB', `--fault ${kind}`)
  if (kind === 'truncate') return parseSize(text ?? '16', `--fault ${kind}`)
  if (text !== undefined) throw new MysqlconnError('E_USAGE', `--fault ${kind} takes no value`)
  return 0
}

function parseMatch(text: string): Match {
  const m = /^(user|schema|sql)=(.+)$/s.exec(text)
  if (m === null)
    throw new MysqlconnError(
      'E_USAGE',
      `--match: cannot read '${text}'`,
      'write it as user=app, schema=shop or sql=REGEX',
    )
  try {
    // Names are compared whole, statements searched.
    return { what: m[1] as Match['what'], is: new RegExp(m[1] === 'sql' ? m[2]! : `^(?:${m[2]})$`, 'i') }
  } catch (e) {
    throw new MysqlconnError('E_USAGE', `--match: ${(e as Error).message}`)
  }
}

/** What a fault may do to its connection. */
export interface FaultTarget {
  readonly up: Flow
  readonly down: Flow
  close(reason: string): void
  abort(reason: string): void
}

/** The faults of one connection. Sees what the client sends; the server's direction only where the fault concerns it. */
export class Faulty implements Valve {
  private readonly fault: Fault
  private readonly target: FaultTarget
  private readonly reader: CommandReader
  private readonly onFault: (fault: Fault) => void
  /** The command that was chosen is being answered. */
  private struck = false
  private dropping = false
  private timer: NodeJS.Timeout | null = null

  constructor(fault: Fault, target: FaultTarget, onFault: (fault: Fault) => void) {
    this.fault = fault
    this.target = target
    this.onFault = onFault
    this.reader = new CommandReader((c) => this.command(c))
    target.up.valve = this
    if (fault.kind !== 'idle-timeout') target.down.valve = { pass: (n, buf) => this.answer(n, buf) }
    if (fault.kind === 'idle-timeout') this.watchIdle()
  }

  /** From the client. */
  pass(n: number, buf: Uint8Array): boolean {
    const before = this.dropping
    this.reader.feed(buf, 0, n)
    // The command itself still goes to the server, unless it is to vanish.
    return !(this.fault.kind === 'silent-drop' ? this.dropping : before)
  }

  private command(c: CommandSeen): void {
    if (this.fault.kind === 'idle-timeout') return
    this.struck = this.chosen(c)
    if (!this.struck) return
    const reason = `fault-${this.fault.kind}`
    if (this.fault.kind === 'rst-after-query') this.soon(() => this.target.abort(reason))
    else if (this.fault.kind === 'fin-after-query') this.soon(() => this.target.close(reason))
    else if (this.fault.kind === 'silent-drop') {
      this.dropping = true
      this.tell()
    }
  }

  /** Behind the command, which has been forwarded by then. */
  private soon(act: () => void): void {
    this.dropping = this.fault.kind !== 'truncate'
    setImmediate(() => {
      this.tell()
      act()
    })
  }

  /** From the server. */
  private answer(n: number, buf: Uint8Array): boolean {
    const { fault, target } = this
    if (this.dropping) return false
    if (!this.struck) return true
    const { down } = target
    if (fault.kind === 'truncate') {
      down.send(Uint8Array.from(buf.subarray(0, Math.min(fault.amount, n))))
      this.dropping = true
      this.soon(() => target.close('fault-truncate'))
      return false
    }
    const copy = Uint8Array.from(buf.subarray(0, n))
    const wait = fault.kind === 'delay' ? fault.amount : (n / fault.amount) * 1000
    if (fault.kind === 'slow-reader') down.send(copy)
    else this.struck = false
    down.from.pause()
    this.tell()
    setTimeout(() => {
      if (fault.kind === 'delay') down.send(copy)
      if (!down.from.destroyed) down.from.resume()
    }, wait)
    return false
  }

  private chosen(c: CommandSeen): boolean {
    // COM_QUERY and COM_STMT_EXECUTE: what an application waits for.
    if (c.op !== 0x03 && c.op !== 0x17) return false
    return this.matches(c.sql) && Math.random() < this.fault.probability
  }

  private matches(sql: string): boolean {
    const { match } = this.fault
    if (match === null) return true
    const value = match.what === 'user' ? this.reader.user : match.what === 'schema' ? this.reader.schema : sql
    return value !== null && match.is.test(value)
  }

  private watchIdle(): void {
    const { target, fault } = this
    const chosen = Math.random() < fault.probability
    if (!chosen) return
    const look = (): void => {
      const idle = target.up.idleMs()
      const left = fault.amount - idle
      if (left > 0.5) {
        this.timer = setTimeout(look, left)
        return
      }
      if (!this.matches('')) return
      this.tell()
      target.close('fault-idle-timeout')
    }
    this.timer = setTimeout(look, fault.amount)
  }

  private tell(): void {
    this.onFault(this.fault)
  }

  stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
  }
}
