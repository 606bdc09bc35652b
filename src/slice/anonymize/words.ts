/** Words that are MySQL's or MariaDB's own and tell nothing about anybody: keywords, functions, settings, schemas of the server. */
const WORDS = `
add admin after against all alter always analyze and any as asc ascii at autocommit avg before begin between bigint binary binlog bit
blob bool boolean both btree by cache call cascade case cast chain change changed channel char character charset check checksum client
close coalesce code collate collation column columns comment commit committed concat concurrent condition connection consistent
constraint continue convert count create cross current current_date current_time current_timestamp current_user cursor data database
databases date datetime day deallocate dec decimal declare default delayed delete desc describe deterministic disable discard distinct
distinctrow div do double drop dual dumpfile duplicate each else elseif enable enclosed end engine engines enum error errors escape
escaped event events exclusive execute exists exit explain export extended false fetch fields file first fixed float flush for force
foreign format found found_rows from full fulltext function general generated get get_lock global grant grants group group_concat
handler hash having help high_priority hosts hour identified if ifnull ignore import in index indexes infile information_schema inner
innodb inout insert insert_id instance int integer interval into invoker is is_free_lock is_used_lock isnull isolation join json key
keys kill language last last_insert_id leading least leave left level like limit linear lines list load local localhost localtime lock locked
logs long longblob longtext loop low_priority lower ltrim mariadb master match max max_execution_time medium mediumint memory merge message
microsecond min minute mod mode modify month mutex myisam mysql mysqladmin names national natural next no not now nowait null nullif number
numeric of off offset old on only open optimize option optionally or order out outer outfile over overlaps partition partitions
password percona performance_schema persist ping plugin plugins prepare prepared primary privileges procedure process processlist
purge query quick rand range read reads real rebuild recursive references regexp release release_all_locks release_lock reload rename
repair repeat repeatable replace replica replicas replication require reset restore restrict resume return returning returns revoke
right rlike role rollback rollup row row_count rows rtrim savepoint schema schemas second security select separator sequence
serializable server session session_user set share show shutdown signal signed skip slave sleep slow smallint snapshot some source
spatial sql sql_buffer_result sql_cache sql_calc_found_rows sql_no_cache ssl start starting status stop storage straight_join string
strict subdate substr substring sum super sys system system_user table tables tablespace temporary temptable terminated text than then
time timediff timestamp timestampadd timestampdiff tinyblob tinyint tinytext to trailing transaction trigger triggers trim true
truncate type uncommitted undo unhex union unique unix_timestamp unknown unlock unsigned until update upgrade upper usage use user
using utc_date utc_time utc_timestamp uuid value values varbinary varchar variable variables varying version view wait wait_timeout
warnings week when where while window with work write xa xor year zerofill
utf8 utf8mb3 utf8mb4 latin1 ascii binary utf8mb4_general_ci utf8mb4_unicode_ci utf8mb4_0900_ai_ci utf8mb4_bin latin1_swedish_ci
traditional ansi ansi_quotes only_full_group_by strict_trans_tables strict_all_tables no_zero_in_date no_zero_date
error_for_division_by_zero no_engine_substitution no_auto_create_user no_backslash_escapes pipes_as_concat
sql_mode time_zone system_time_zone tx_isolation transaction_isolation transaction_read_only tx_read_only interactive_timeout
net_write_timeout net_read_timeout net_buffer_length max_allowed_packet character_set_client character_set_connection
character_set_results character_set_server collation_connection collation_server init_connect license lower_case_table_names
performance_schema query_cache_size query_cache_type auto_increment_increment auto_increment_offset sql_select_limit sql_safe_updates
foreign_key_checks unique_checks sql_auto_is_null sql_big_selects sql_log_bin version_comment version_compile_os max_statement_time
lock_wait_timeout innodb_lock_wait_timeout group_concat_max_len last_insert_id identity timestamp rand_seed1 rand_seed2 hostname port
socket server_id server_uuid gtid_next wsrep_sync_wait wsrep_on proxysql pseudo_thread_id default_storage_engine storage_engine
session_track_gtids session_track_schema session_track_state_change session_track_system_variables session_track_transaction_info
mysql_native_password caching_sha2_password sha256_password mysql_clear_password client_ed25519 auth_socket unix_socket parsec
def x n b`
const KNOWN: ReadonlySet<string> = new Set(WORDS.trim().split(/\s+/))

export const isWord = (text: string): boolean => KNOWN.has(text.toLowerCase())
