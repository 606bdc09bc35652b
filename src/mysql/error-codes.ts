/**
 * Server error codes that say something about the connection itself, with the symbol and meaning of the manual (Server
 * Error Message Reference; MariaDB Error Codes; ProxySQL's own from 9001). Ordinary statement errors are not listed.
 */
export interface ErrorCode {
  symbol: string
  means: string
}

export const ERROR_CODES: Readonly<Record<number, ErrorCode>> = {
  1040: { symbol: 'ER_CON_COUNT_ERROR', means: 'Too many connections: max_connections is reached.' },
  1041: { symbol: 'ER_OUT_OF_RESOURCES', means: 'The server is out of memory.' },
  1042: { symbol: 'ER_BAD_HOST_ERROR', means: 'The server could not resolve the host name of the client’s address.' },
  1043: { symbol: 'ER_HANDSHAKE_ERROR', means: 'Bad handshake: the login packet was not understood.' },
  1044: { symbol: 'ER_DBACCESS_DENIED_ERROR', means: 'The user may not use this schema.' },
  1045: { symbol: 'ER_ACCESS_DENIED_ERROR', means: 'Access denied: user, host or password do not match.' },
  1047: { symbol: 'ER_UNKNOWN_COM_ERROR', means: 'Unknown command, or a Galera node that is not ready for queries.' },
  1049: { symbol: 'ER_BAD_DB_ERROR', means: 'Unknown schema.' },
  1053: { symbol: 'ER_SERVER_SHUTDOWN', means: 'The server is shutting down.' },
  1077: { symbol: 'ER_NORMAL_SHUTDOWN', means: 'Normal shutdown.' },
  1078: { symbol: 'ER_GOT_SIGNAL', means: 'The server was ended by a signal.' },
  1079: { symbol: 'ER_SHUTDOWN_COMPLETE', means: 'Shutdown complete.' },
  1080: { symbol: 'ER_FORCING_CLOSE', means: 'The server forces the close of this connection.' },
  1081: { symbol: 'ER_IPSOCK_ERROR', means: 'The server could not create its socket.' },
  1105: {
    symbol: 'ER_UNKNOWN_ERROR',
    means: 'Unknown error; also used by RDS Proxy and Aurora for their own refusals.',
  },
  1129: { symbol: 'ER_HOST_IS_BLOCKED', means: 'The host is blocked after max_connect_errors interrupted handshakes.' },
  1130: { symbol: 'ER_HOST_NOT_PRIVILEGED', means: 'No account allows connections from this host.' },
  1152: { symbol: 'ER_ABORTING_CONNECTION', means: 'Aborted connection.' },
  1153: { symbol: 'ER_NET_PACKET_TOO_LARGE', means: 'A packet was larger than max_allowed_packet.' },
  1154: { symbol: 'ER_NET_READ_ERROR_FROM_PIPE', means: 'Read error on the connection pipe.' },
  1155: { symbol: 'ER_NET_FCNTL_ERROR', means: 'fcntl() failed on the connection.' },
  1156: {
    symbol: 'ER_NET_PACKETS_OUT_OF_ORDER',
    means: 'Packets out of order: sequence ids do not fit, or not MySQL at all.',
  },
  1157: { symbol: 'ER_NET_UNCOMPRESS_ERROR', means: 'A compressed packet could not be inflated.' },
  1158: { symbol: 'ER_NET_READ_ERROR', means: 'The server got an error while reading from the connection.' },
  1159: {
    symbol: 'ER_NET_READ_INTERRUPTED',
    means: 'The server’s read timed out (net_read_timeout, connect_timeout).',
  },
  1160: { symbol: 'ER_NET_ERROR_ON_WRITE', means: 'The server got an error while writing to the connection.' },
  1161: { symbol: 'ER_NET_WRITE_INTERRUPTED', means: 'The server’s write timed out (net_write_timeout).' },
  1162: { symbol: 'ER_TOO_LONG_STRING', means: 'A result string is longer than max_allowed_packet.' },
  1184: { symbol: 'ER_NEW_ABORTING_CONNECTION', means: 'Aborted connection, with the reason.' },
  1203: { symbol: 'ER_TOO_MANY_USER_CONNECTIONS', means: 'max_user_connections is reached for this user.' },
  1205: { symbol: 'ER_LOCK_WAIT_TIMEOUT', means: 'Lock wait timeout: the statement failed, the connection lives.' },
  1213: { symbol: 'ER_LOCK_DEADLOCK', means: 'Deadlock: the transaction was rolled back, the connection lives.' },
  1226: { symbol: 'ER_USER_LIMIT_REACHED', means: 'A resource limit of this user is reached.' },
  1243: { symbol: 'ER_UNKNOWN_STMT_HANDLER', means: 'The prepared statement is unknown on this connection.' },
  1251: {
    symbol: 'ER_NOT_SUPPORTED_AUTH_MODE',
    means: 'The client does not support the account’s authentication plugin.',
  },
  1290: { symbol: 'ER_OPTION_PREVENTS_STATEMENT', means: 'A server option (often read_only) forbids the statement.' },
  1317: { symbol: 'ER_QUERY_INTERRUPTED', means: 'The statement was interrupted (KILL QUERY).' },
  1461: { symbol: 'ER_MAX_PREPARED_STMT_COUNT_REACHED', means: 'max_prepared_stmt_count is reached.' },
  1792: { symbol: 'ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION', means: 'The transaction is read only.' },
  1835: { symbol: 'ER_MALFORMED_PACKET', means: 'The server could not parse a packet.' },
  1836: { symbol: 'ER_READ_ONLY_MODE', means: 'The server runs in read-only mode.' },
  1927: { symbol: 'ER_CONNECTION_KILLED', means: 'MariaDB: the connection was killed.' },
  1969: { symbol: 'ER_STATEMENT_TIMEOUT', means: 'MariaDB: max_statement_time was exceeded.' },
  3024: { symbol: 'ER_QUERY_TIMEOUT', means: 'max_execution_time was exceeded.' },
  3118: { symbol: 'ER_ACCOUNT_HAS_BEEN_LOCKED', means: 'The account is locked.' },
  3159: {
    symbol: 'ER_SECURE_TRANSPORT_REQUIRED',
    means: 'require_secure_transport: the server takes only TLS connections.',
  },
  3168: { symbol: 'ER_SERVER_ISNT_AVAILABLE', means: 'The server is not available.' },
  3169: { symbol: 'ER_SESSION_WAS_KILLED', means: 'The session was killed.' },
  4031: {
    symbol: 'ER_CLIENT_INTERACTION_TIMEOUT',
    means: 'The client was disconnected for inactivity (wait_timeout).',
  },
  9001: { symbol: 'ProxySQL 9001', means: 'ProxySQL: max connect timeout reached while reaching the hostgroup.' },
  9002: { symbol: 'ProxySQL 9002', means: 'ProxySQL: max connect failure while reaching the hostgroup.' },
  9003: { symbol: 'ProxySQL 9003', means: 'ProxySQL: command not supported.' },
  9004: { symbol: 'ProxySQL 9004', means: 'ProxySQL: the server was offline before the statement ran.' },
  9005: { symbol: 'ProxySQL 9005', means: 'ProxySQL: the session is locked on another hostgroup, or the server lags.' },
  9006: { symbol: 'ProxySQL 9006', means: 'ProxySQL: ping of a pooled connection timed out.' },
  9007: { symbol: 'ProxySQL 9007', means: 'ProxySQL: COM_CHANGE_USER on a pooled connection timed out.' },
}
