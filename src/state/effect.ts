/**
 * What a statement or a command does to the state of its session, in terms of keys:
 *
 *   var:NAME      session system variable (canonical, lower case)        user:NAME   user variable
 *   schema        current schema                                         role        current role
 *   transaction   an open transaction                                    xa          an XA branch
 *   lock:tables   LOCK TABLES, FLUSH TABLES … WITH READ LOCK of some     lock:global FLUSH TABLES WITH READ LOCK
 *   lock:backup   LOCK INSTANCE FOR BACKUP, BACKUP STAGE/LOCK            userlock:N  GET_LOCK('N', …)
 *   temp:NAME     temporary table                                        handler:N   HANDLER … OPEN
 *   prepare:NAME  PREPARE name FROM …                                    option:multi-statements  COM_SET_OPTION
 */
export interface Effect {
  /** Index of the statement in a text with several: those behind a failing one do not happen. */
  statement: number
  /**
   * set: the key has this value now; default: back to the global value; next: for the next transaction only; clear: gone
   * (a key that ends with '*' clears all with that beginning); execute: a statement that SQL's PREPARE has named.
   */
  does: 'set' | 'default' | 'next' | 'clear' | 'execute'
  key: string
  /** The value as written, without quotes; '' when it is not known. Cut at VALUE_BYTES. */
  value: string
  /** What PREPARE named would do when executed. */
  nested?: readonly Effect[]
}

/** Longest value or name kept, bytes. */
export const VALUE_BYTES = 96

/** Older and newer names of one variable. */
const ALIASES: Readonly<Record<string, string>> = {
  tx_isolation: 'transaction_isolation',
  tx_read_only: 'transaction_read_only',
  storage_engine: 'default_storage_engine',
  sql_low_priority_updates: 'low_priority_updates',
  log_slow_query_time: 'long_query_time',
  log_slow_query: 'slow_query_log',
}

/** The key of a system variable. */
export function variableKey(name: string): string {
  const lower = name.toLowerCase()
  return `var:${ALIASES[lower] ?? lower}`
}

/** Values that mean the same, made one: ON and 1, quotes and case aside; 'REPEATABLE READ' is REPEATABLE-READ. */
export function normalValue(value: string): string {
  const v = value.trim().toLowerCase().replaceAll(' ', '-')
  if (v === 'on' || v === 'true') return '1'
  if (v === 'off' || v === 'false') return '0'
  return v
}
