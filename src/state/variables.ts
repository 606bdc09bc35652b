/**
 * Which state hurts whom when it is left behind on a connection that others use next. One row per variable that changes
 * answers, what is written, who waits, or how fast; what is not listed is told with severity info at most. Sources: the server system
 * variable pages of the MySQL 8.4 manual and the MariaDB knowledge base.
 */

/** What the next borrower may suffer. `info`: nothing that anybody would miss. */
export type Harm = 'answers' | 'writes' | 'waits' | 'cuts' | 'speed' | 'info'

export interface Classified {
  /** detail.state of contract.md. */
  state: string
  /** What it is called in a sentence. */
  name: string
  harm: Harm
  /** What it does to the next one. */
  why: string
}

const V: Readonly<Record<string, readonly [Harm, string]>> = {
  autocommit: ['writes', 'with autocommit=0 nothing is kept until somebody says COMMIT'],
  transaction_isolation: ['answers', 'another isolation level sees other rows and takes other locks'],
  transaction_read_only: ['writes', 'writes fail with 1792'],
  character_set_client: ['writes', 'text is stored as other characters'],
  character_set_connection: ['answers', 'literals are converted to another character set'],
  character_set_results: ['answers', 'text arrives as other characters'],
  collation_connection: ['answers', 'comparisons and sorting of literals change'],
  time_zone: ['answers', 'NOW() and TIMESTAMP columns mean another time'],
  sql_mode: ['writes', 'the same statement is refused, or accepts and cuts bad values'],
  sql_select_limit: ['answers', 'SELECT without LIMIT returns at most so many rows'],
  group_concat_max_len: ['answers', 'GROUP_CONCAT() is cut'],
  sql_auto_is_null: ['answers', 'WHERE id IS NULL finds the last inserted row'],
  sql_big_selects: ['cuts', 'large joins are refused'],
  max_join_size: ['cuts', 'large joins are refused'],
  max_sort_length: ['answers', 'sorting looks at fewer bytes'],
  sql_safe_updates: ['cuts', 'UPDATE and DELETE without a key are refused'],
  sql_log_bin: ['writes', 'writes do not reach the replicas'],
  foreign_key_checks: ['writes', 'foreign keys are not checked'],
  check_constraint_checks: ['writes', 'constraints are not checked'],
  unique_checks: ['writes', 'unique keys may not be checked'],
  auto_increment_increment: ['writes', 'generated ids skip numbers'],
  auto_increment_offset: ['writes', 'generated ids begin elsewhere'],
  insert_id: ['writes', 'the next generated id is this one'],
  last_insert_id: ['answers', 'LAST_INSERT_ID() answers this'],
  timestamp: ['answers', 'NOW() stands still'],
  rand_seed1: ['answers', 'RAND() repeats itself'],
  rand_seed2: ['answers', 'RAND() repeats itself'],
  div_precision_increment: ['answers', 'divisions are rounded elsewhere'],
  default_week_format: ['answers', 'WEEK() counts otherwise'],
  lc_time_names: ['answers', 'names of days and months change'],
  default_storage_engine: ['writes', 'tables are created in another engine'],
  default_tmp_storage_engine: ['writes', 'temporary tables are created in another engine'],
  explicit_defaults_for_timestamp: ['writes', 'TIMESTAMP columns are created with other defaults'],
  sql_require_primary_key: ['cuts', 'tables without a primary key are refused'],
  updatable_views_with_limit: ['cuts', 'updates of views are refused'],
  cte_max_recursion_depth: ['cuts', 'recursive queries are refused earlier'],
  max_recursive_iterations: ['answers', 'recursive queries end earlier'],
  sql_buffer_result: ['speed', 'results are copied before they are sent'],
  big_tables: ['speed', 'temporary tables go to disk'],
  completion_type: ['writes', 'COMMIT begins another transaction or closes the connection'],
  max_execution_time: ['cuts', 'SELECT is ended by the server after that time'],
  max_statement_time: ['cuts', 'statements are ended by the server after that time'],
  lock_wait_timeout: ['waits', 'waits for metadata locks end earlier or later'],
  innodb_lock_wait_timeout: ['waits', 'waits for row locks end earlier or later'],
  innodb_table_locks: ['waits', 'LOCK TABLES takes other locks'],
  low_priority_updates: ['waits', 'writes wait for readers'],
  wait_timeout: ['cuts', 'the server closes this connection earlier or later than the others'],
  interactive_timeout: ['cuts', 'the server closes this connection earlier or later than the others'],
  idle_transaction_timeout: ['cuts', 'the server closes the connection inside a transaction'],
  idle_write_transaction_timeout: ['cuts', 'the server closes the connection inside a transaction'],
  idle_readonly_transaction_timeout: ['cuts', 'the server closes the connection inside a transaction'],
  net_read_timeout: ['cuts', 'the server gives up on a slow sender earlier or later'],
  net_write_timeout: ['cuts', 'the server gives up on a slow reader earlier or later'],
  max_allowed_packet: ['cuts', 'large statements are refused'],
  optimizer_switch: ['speed', 'other execution plans'],
  optimizer_search_depth: ['speed', 'other execution plans'],
  optimizer_prune_level: ['speed', 'other execution plans'],
  optimizer_use_condition_selectivity: ['speed', 'other execution plans'],
  eq_range_index_dive_limit: ['speed', 'other execution plans'],
  max_seeks_for_key: ['speed', 'other execution plans'],
  range_optimizer_max_mem_size: ['speed', 'other execution plans'],
  join_cache_level: ['speed', 'other execution plans'],
  use_secondary_engine: ['speed', 'another engine answers'],
  sort_buffer_size: ['speed', 'sorting with another buffer'],
  join_buffer_size: ['speed', 'joins with another buffer'],
  read_buffer_size: ['speed', 'reads with another buffer'],
  read_rnd_buffer_size: ['speed', 'reads with another buffer'],
  bulk_insert_buffer_size: ['speed', 'inserts with another buffer'],
  tmp_table_size: ['speed', 'temporary tables go to disk earlier'],
  tmp_memory_table_size: ['speed', 'temporary tables go to disk earlier'],
  max_heap_table_size: ['speed', 'temporary tables go to disk earlier'],
  query_cache_type: ['speed', 'results are not cached'],
  profiling: ['speed', 'every statement is measured'],
  gtid_next: ['writes', 'the next transaction gets this GTID, or fails with 1837'],
  binlog_format: ['writes', 'replicas get statements instead of rows, or the reverse'],
  binlog_row_image: ['writes', 'replicas get fewer columns'],
  tx_commit_order: ['writes', 'commits are ordered otherwise'],
  wsrep_on: ['writes', 'writes stay on this node'],
  wsrep_sync_wait: ['answers', 'reads do not wait for the cluster'],
  wsrep_osu_method: ['waits', 'DDL blocks the cluster otherwise'],
  session_track_system_variables: ['info', 'proxies that follow session trackers lose sight of changes'],
  session_track_state_change: ['info', 'proxies that follow session trackers lose sight of changes'],
  session_track_transaction_info: ['info', 'proxies that follow session trackers lose sight of changes'],
  session_track_gtids: ['info', 'proxies that follow session trackers lose sight of changes'],
}

const CHARSET = /^character_set_(client|connection|results)$/
const STATES: Readonly<Record<string, string>> = {
  transaction_isolation: 'isolation',
  transaction_read_only: 'read_only',
  collation_connection: 'collation',
}

/** Severity info at most, and why: for the documentation. Everything not listed here or above is one of these too. */
export const HARMLESS: Readonly<Record<string, string>> = {
  long_query_time: 'decides what the slow log holds, not what statements answer',
  slow_query_log: 'decides what the slow log holds',
  sql_notes: 'decides which warnings are counted',
  sql_warnings: 'decides whether INSERT tells of warnings',
  max_error_count: 'decides how many warnings are kept',
  sql_quote_show_create: 'how SHOW CREATE TABLE quotes',
  lc_messages: 'language of error messages',
  net_buffer_length: 'grows by itself',
  pseudo_thread_id: 'for replication only',
  character_set_database: 'follows the current schema',
  collation_database: 'follows the current schema',
  character_set_filesystem: 'names of files in LOAD DATA only',
}

/** Listed variables with their harm, for documentation and tests. */
export const VARIABLES = V

/** What a key of effect.ts is for the next borrower. */
export function classify(key: string): Classified {
  if (key.startsWith('var:')) {
    const name = key.slice(4)
    const [harm, why] = V[name] ?? (['info', HARMLESS[name] ?? 'not known to change answers or speed'] as const)
    return { state: CHARSET.test(name) ? 'charset' : (STATES[name] ?? name), name, harm, why }
  }
  const colon = key.indexOf(':')
  const [kind, name] = colon < 0 ? [key, ''] : [key.slice(0, colon), key.slice(colon + 1)]
  switch (kind) {
    case 'user':
      return {
        state: 'user_variable',
        name: `@${name}`,
        harm: 'answers',
        why: 'whoever reads it gets another one’s value',
      }
    case 'schema':
      return {
        state: 'schema',
        name: 'the current schema',
        harm: 'answers',
        why: 'tables without a schema in front are looked for there',
      }
    case 'transaction':
    case 'xa':
      return {
        state: 'open_transaction',
        name: 'a transaction',
        harm: 'writes',
        why: 'the next COMMIT or ROLLBACK decides over both’s work, and its locks stay',
      }
    case 'temp':
      return {
        state: 'temp_table',
        name: `TEMPORARY TABLE ${name}`,
        harm: 'answers',
        why: 'it hides the table of that name',
      }
    case 'lock':
      return {
        state: 'lock_tables',
        name: name === 'backup' ? 'a backup lock' : 'LOCK TABLES',
        harm: 'waits',
        why: 'other tables fail with 1100, other connections wait',
      }
    case 'userlock':
      return {
        state: 'user_lock',
        name: `GET_LOCK('${name}')`,
        harm: 'waits',
        why: 'whoever asks for it elsewhere waits; here it is granted to anybody',
      }
    case 'prepare':
      return {
        state: 'prepared_statement',
        name: `prepared statement ${name}`,
        harm: 'info',
        why: 'EXECUTE runs another one’s statement; too many end in 1461',
      }
    case 'role':
      return { state: 'role', name: 'the role', harm: 'answers', why: 'other privileges' }
    default:
      return { state: kind, name: `${kind} ${name}`.trim(), harm: 'info', why: 'not known to change answers or speed' }
  }
}

/** User variables hold data: in quotes, which --redact takes for literals. */
export const shown = (key: string, value: string): string =>
  key.startsWith('user:') && value !== '' ? `'${value}'` : value
