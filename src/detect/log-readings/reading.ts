/** What a log line means for a verdict: facts of a LogEvent, read as a cause. Tables by product; nothing here looks at packets. */
import type { LogEvent } from '../../logs/event.ts'
import type { CulpritRole } from '../../report/model.ts'

export interface LogReading {
  /** Rules that the line supports; the first is what it says by itself. */
  rules: readonly string[]
  /** Who acted, as the line has it. */
  role: CulpritRole
  /**
   * `says`: the writer tells what it did, or what it was told (a termination state, an error code of the server). `fits`: the line
   * speaks for a few causes and against the rest. `sees`: it only tells that the connection was dead.
   */
  weight: 'says' | 'fits' | 'sees'
  /** In words, with the product's name first. */
  says: string
  /** The setting whose time ran out, where the line names it. */
  setting?: string
}

export type Reader = (e: LogEvent) => LogReading | null

/** What ends a connection under a statement without naming itself. */
export const CUTS: readonly string[] = [
  'rst-after-query',
  'tls-error-queue',
  'connection-killed',
  'server-crash',
  'server-shutdown',
  'proxy-shutdown',
  'injected-reset',
  'idle-timeout-proxy',
  'idle-timeout-server',
  'middlebox-reset',
  'silent-drop',
  'packet-too-large',
  'net-write-timeout',
  'pmtu-black-hole',
  'validation-wrong-connection',
  'validation-too-late',
]

/** An idle timer, and what would have kept it from mattering. */
export const idle = (rule: 'idle-timeout-proxy' | 'idle-timeout-server'): readonly string[] => [
  rule,
  'validation-wrong-connection',
  'validation-too-late',
]

/** `HAProxy 2.6.12`; of servers without the packager's suffix. */
export function named(e: LogEvent): string {
  if (e.version === null) return e.product
  return `${e.product} ${e.role === 'server' ? e.version.replace(/^5\.5\.5-(?=\d+\.)/, '').replace(/-.*$/, '') : e.version}`
}
