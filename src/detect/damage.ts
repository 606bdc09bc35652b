/** What the wire shows of the harm that left-over state did: cut results, refused statements, writes that nobody committed. */

import { Status } from '../mysql/status.ts'
import type { Session } from '../session/session.ts'
import type { StateStep } from '../state/step.ts'
import type { Leak } from './leaks.ts'

export interface Damage {
  /** Sentence without a full stop. */
  says: string
  /** Its statement. */
  step: StateStep
  /** No user of one private connection would do this to itself: it shows another borrower where nothing else does. */
  tells: boolean
}

const ER_TABLE_NOT_LOCKED_FOR_WRITE = 1099
const ER_TABLE_NOT_LOCKED = 1100
const ER_CANT_UPDATE_WITH_READLOCK = 1223
const ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION = 1792
const ER_NO_SUCH_TABLE = 1146
/** Errors that a changed sql_mode brings: 1055, 1364, 1292, 1366, 1406, 1264, 1265, 1365, 1064 (ANSI_QUOTES), 1140. */
const BY_SQL_MODE = [1055, 1140, 1264, 1265, 1292, 1364, 1365, 1366, 1406]
const BY_CHARSET = [1267, 1270, 1271, 1366, 3854]

const READS = /^[\s(]*(?:\/\*.*?\*\/)?[\s(]*(?:select|with|values|table)\b/is
const WRITES = /^\s*(?:\/\*.*?\*\/)?\s*(?:insert|update|delete|replace|load)\b/is
const CLOCK =
  /\b(?:now|curdate|curtime|sysdate|localtime|localtimestamp|current_(?:timestamp|date|time)|from_unixtime|unix_timestamp)\b/i
/** A table without its schema: FROM t, JOIN t, UPDATE t, INTO t, with nothing like `schema.` in front. */
const UNQUALIFIED = /\b(?:from|join|update|into|table)\s+(?:ignore\s+)?(`[^`]+`|[\w$]+)(?!\s*\.)\b/i
const BEGINS = /^\s*(?:\/\*.*?\*\/)?\s*(?:begin\b(?!\s+not)|start\s+transaction\b)/is
const ENDS = /^\s*(?:\/\*.*?\*\/)?\s*(commit|rollback)\b(?!\s+(?:work\s+)?to\b)/is

export function damageOf(leak: Leak, s: Session): Damage | null {
  const steps = leak.victims.flatMap((v) => v.steps)
  if (steps.length === 0) return null
  switch (leak.state) {
    case 'sql_select_limit':
      return cut(leak, steps)
    case 'lock_tables':
      return refused(steps, [ER_TABLE_NOT_LOCKED, ER_TABLE_NOT_LOCKED_FOR_WRITE, ER_CANT_UPDATE_WITH_READLOCK], true)
    case 'read_only':
      return refused(steps, [ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION], true)
    case 'autocommit':
      return neverCommitted(leak, s)
    case 'open_transaction':
      return mixedUp(leak, steps)
    case 'schema':
      return wrongSchema(leak, steps)
    case 'user_variable':
      return first(steps, () => true, `it read ${leak.name}, which another borrower had set`)
    case 'prepared_statement':
      return first(steps, () => true, 'it executed a statement that another borrower had prepared')
    case 'temp_table':
      return first(
        steps,
        (x) => x.text !== null,
        `it used the temporary table of another borrower instead of the table of that name`,
      )
    case 'charset':
    case 'collation':
      return (
        refused(steps, BY_CHARSET, false) ??
        first(
          steps,
          (x) => x.beyondAscii,
          `its text beyond ASCII was taken for ${leak.value || 'another character set'}`,
        )
      )
    case 'time_zone':
      return first(
        steps,
        (x) => x.text !== null && CLOCK.test(x.text),
        `it asked for the time, which was that of ${leak.value || 'another zone'}`,
      )
    case 'sql_mode':
      return refused(steps, BY_SQL_MODE, false)
    default:
      return null
  }
}

function first(steps: readonly StateStep[], test: (x: StateStep) => boolean, says: string): Damage | null {
  const step = steps.find(test)
  return step === undefined ? null : { says, step, tells: false }
}

function refused(steps: readonly StateStep[], codes: readonly number[], tells: boolean): Damage | null {
  const hit = steps.filter((x) => codes.includes(x.code))
  if (hit.length === 0) return null
  const says = `${hit.length === 1 ? 'a statement' : `${hit.length} statements`} failed with ${hit[0]!.code}`
  return { says, step: hit[0]!, tells }
}

/** A SELECT without LIMIT that gave exactly as many rows as the limit. */
function cut(leak: Leak, steps: readonly StateStep[]): Damage | null {
  const limit = /^\d+$/.test(leak.value) ? Number(leak.value) : -1
  if (limit < 0) return null
  const hit = steps.filter(
    (x) => x.rows === limit && x.text !== null && !x.text.endsWith('…') && READS.test(x.text) && !bounded(x.text),
  )
  if (hit.length === 0) return null
  const rows = limit === 1 ? 'row' : 'rows'
  const says = `${hit.length === 1 ? 'a SELECT without LIMIT' : `${hit.length} SELECTs without LIMIT`} gave exactly ${limit} ${rows}`
  return { says, step: hit[0]!, tells: leak.endedBy === 'nothing' }
}

/** Its number of rows is its own: LIMIT, or one row by an aggregate or no table at all. */
const bounded = (text: string): boolean =>
  /\blimit\b|\bfetch\s+first\b/i.test(text) ||
  !/\bfrom\b/i.test(text) ||
  (/\b(?:count|sum|min|max|avg)\s*\(/i.test(text) && !/\bgroup\s+by\b/i.test(text))

/** The last write before the orderly end, in a transaction that nobody committed. */
function neverCommitted(leak: Leak, s: Session): Damage | null {
  if (leak.endedBy === 'statement' || (leak.endedBy === 'nothing' && !s.ending.quit)) return null
  const all = s.mysql!.state!.steps
  const from = all.indexOf(leak.setBy)
  let unit = false
  let write: StateStep | null = null
  for (const x of all.slice(from + 1)) {
    if (x.text !== null && ENDS.test(x.text)) {
      unit = true
      write = null
    } else if (x.text !== null && WRITES.test(x.text) && x.code === 0 && inTransaction(x)) write ??= x
  }
  if (write === null || !leak.victims.some((v) => v.steps.includes(write))) return null
  const says = 'a write was never committed: the server rolled it back when the connection ended'
  return { says, step: write, tells: unit }
}

function mixedUp(leak: Leak, steps: readonly StateStep[]): Damage | null {
  const explicit = leak.entries[0]!.value !== ''
  const begins = steps.find((x) => x.text !== null && BEGINS.test(x.text))
  const ends = steps.find((x) => x.text !== null && ENDS.test(x.text))
  if (begins !== undefined && (ends === undefined || begins.at <= ends.at))
    return { says: 'its BEGIN committed the work that was left open', step: begins, tells: explicit }
  if (ends !== undefined) {
    const word = ENDS.exec(ends.text!)![1]!.toUpperCase()
    return { says: `its ${word} decided over the work that was left open`, step: ends, tells: false }
  }
  return first(
    steps,
    (x) => x.text !== null && WRITES.test(x.text),
    'its write went into a transaction that another had begun',
  )
}

function wrongSchema(leak: Leak, steps: readonly StateStep[]): Damage | null {
  const missing = steps.find((x) => x.code === ER_NO_SUCH_TABLE)
  if (missing !== undefined)
    return { says: `a table was looked for in ${leak.value} and not found (1146)`, step: missing, tells: false }
  return first(
    steps,
    (x) => x.text !== null && x.code === 0 && UNQUALIFIED.test(x.text),
    `tables without a schema were read or written in ${leak.value}`,
  )
}

const inTransaction = (x: StateStep): boolean => x.status >= 0 && (x.status & Status.SERVER_STATUS_IN_TRANS) !== 0
