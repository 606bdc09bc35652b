/** One step in the story of a session's state, as facts: what the session layer writes down and replay.ts reads. */
import type { Duration, Instant } from '../core/time.ts'
import type { TrackedChange } from '../mysql/listener.ts'
import type { Effect } from './effect.ts'

/** A command while the session carried state, or that changed it. */
export interface StateStep {
  at: Instant
  frame: number
  op: number
  /** Statement, cut at some 160 bytes with '…'; user of COM_CHANGE_USER, schema of COM_INIT_DB; null when it has none. */
  text: string | null
  /** Of command byte and text (exchanges.ts). */
  hash: number
  /** What it does when it succeeds. */
  effects: readonly Effect[]
  /** Time since the answer before it; 0 when not known. */
  idle: Duration
  /** Right after the login, before the first statement that is not about the session itself. */
  initial: boolean
  /** Bytes beyond ASCII in it: a wrong character set changes them. */
  beyondAscii: boolean
  /** When and where its answer was whole; -1 and 0 if never. */
  answeredAt: Instant
  replyFrame: number
  /** Rows and columns of its first result set; -1 when it had none. */
  rows: number
  columns: number
  /** Status flags of its last OK or EOF; -1 if none. */
  status: number
  /** Error that ended it, 0 if none. */
  code: number
  /** Statements of a text with several that succeeded. */
  results: number
  /** Session trackers of its answers. */
  tracked: readonly TrackedChange[]
  /** Connections of the same capture on which the same text was sent while it waited: by tcp.stream. */
  carried: readonly { stream: number; at: Instant; frame: number }[]
}

export interface StateFacts {
  /** In order. */
  steps: readonly StateStep[]
  /** Steps between the first and the last ones that were not kept. */
  dropped: number
  /** Hashes of the first statements after the login. */
  openers: readonly number[]
  /** Status flags before the first step, -1 if not known. */
  status: number
  /** Frame at which the capture was last found to lack bytes that may have changed the state; 0 if never. */
  lastHole: number
}
