/**
 * Capability flags of the connection phase (manual: Capabilities Flags; MariaDB: Connection, capabilities). The client's
 * login flags, masked by the server's greeting, are what both sides follow. Bits 0-31 are one number, MariaDB's bits 32-63
 * another (they travel in 4 of the reserved bytes and are valid only where CLIENT_LONG_PASSWORD is clear in the greeting).
 */
export const Capability = {
  CLIENT_LONG_PASSWORD: 1,
  CLIENT_FOUND_ROWS: 1 << 1,
  CLIENT_LONG_FLAG: 1 << 2,
  CLIENT_CONNECT_WITH_DB: 1 << 3,
  CLIENT_NO_SCHEMA: 1 << 4,
  CLIENT_COMPRESS: 1 << 5,
  CLIENT_ODBC: 1 << 6,
  CLIENT_LOCAL_FILES: 1 << 7,
  CLIENT_IGNORE_SPACE: 1 << 8,
  CLIENT_PROTOCOL_41: 1 << 9,
  CLIENT_INTERACTIVE: 1 << 10,
  CLIENT_SSL: 1 << 11,
  CLIENT_IGNORE_SIGPIPE: 1 << 12,
  CLIENT_TRANSACTIONS: 1 << 13,
  CLIENT_RESERVED: 1 << 14,
  CLIENT_SECURE_CONNECTION: 1 << 15,
  CLIENT_MULTI_STATEMENTS: 1 << 16,
  CLIENT_MULTI_RESULTS: 1 << 17,
  CLIENT_PS_MULTI_RESULTS: 1 << 18,
  CLIENT_PLUGIN_AUTH: 1 << 19,
  CLIENT_CONNECT_ATTRS: 1 << 20,
  CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA: 1 << 21,
  CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS: 1 << 22,
  CLIENT_SESSION_TRACK: 1 << 23,
  CLIENT_DEPRECATE_EOF: 1 << 24,
  CLIENT_OPTIONAL_RESULTSET_METADATA: 1 << 25,
  CLIENT_ZSTD_COMPRESSION_ALGORITHM: 1 << 26,
  CLIENT_QUERY_ATTRIBUTES: 1 << 27,
  MULTI_FACTOR_AUTHENTICATION: 1 << 28,
  CLIENT_CAPABILITY_EXTENSION: 1 << 29,
  CLIENT_SSL_VERIFY_SERVER_CERT: 1 << 30,
  CLIENT_REMEMBER_OPTIONS: 0x80000000,
} as const

/** MariaDB's extended flags: bit n here is bit 32 + n of the whole. */
export const MariadbCapability = {
  MARIADB_CLIENT_PROGRESS: 1,
  MARIADB_CLIENT_COM_MULTI: 1 << 1,
  MARIADB_CLIENT_STMT_BULK_OPERATIONS: 1 << 2,
  MARIADB_CLIENT_EXTENDED_METADATA: 1 << 3,
  MARIADB_CLIENT_CACHE_METADATA: 1 << 4,
  MARIADB_CLIENT_BULK_UNIT_RESULTS: 1 << 5,
} as const

/** Whether a flag is set; a plain `&` would answer with negative numbers for bit 31. */
export const has = (capabilities: number, flag: number): boolean => (capabilities & flag) !== 0

/** Names of the set bits, for people. `mariadb` holds bits 32-63. */
export function capabilityNames(capabilities: number, mariadb = 0): string[] {
  const names: string[] = []
  for (const [name, bit] of Object.entries(Capability)) if (has(capabilities, bit)) names.push(name)
  for (const [name, bit] of Object.entries(MariadbCapability)) if (has(mariadb, bit)) names.push(name)
  return names
}
