/**
 * The commands of the command phase: byte, name as in the manual (enum_server_command), and what answers it. MariaDB's own
 * are at 0xfa and above. One row per command; everything that depends on a command reads it here.
 */

/** What the server sends back. */
export const Answer = {
  /** Nothing at all: the next command may follow at once. */
  none: 0,
  /** OK, ERR, EOF, a result set or LOCAL INFILE: the first byte tells which. */
  any: 1,
  /** COM_STMT_PREPARE_OK with its parameter and column definitions. */
  prepare: 2,
  /** One packet of text with no header byte. */
  text: 3,
  /** Column definitions without a count, ended by EOF. */
  fields: 4,
  /** Binary rows without definitions, ended by EOF. */
  rows: 5,
  /** The authentication exchange again. */
  auth: 6,
  /** An endless stream of packets, each 0x00 and an event. */
  stream: 7,
  /** OK, then another protocol on the same connection. */
  handover: 8,
} as const
export type Answer = (typeof Answer)[keyof typeof Answer]

export const Command = {
  COM_SLEEP: 0x00,
  COM_QUIT: 0x01,
  COM_INIT_DB: 0x02,
  COM_QUERY: 0x03,
  COM_FIELD_LIST: 0x04,
  COM_CREATE_DB: 0x05,
  COM_DROP_DB: 0x06,
  COM_REFRESH: 0x07,
  COM_SHUTDOWN: 0x08,
  COM_STATISTICS: 0x09,
  COM_PROCESS_INFO: 0x0a,
  COM_CONNECT: 0x0b,
  COM_PROCESS_KILL: 0x0c,
  COM_DEBUG: 0x0d,
  COM_PING: 0x0e,
  COM_TIME: 0x0f,
  COM_DELAYED_INSERT: 0x10,
  COM_CHANGE_USER: 0x11,
  COM_BINLOG_DUMP: 0x12,
  COM_TABLE_DUMP: 0x13,
  COM_CONNECT_OUT: 0x14,
  COM_REGISTER_SLAVE: 0x15,
  COM_STMT_PREPARE: 0x16,
  COM_STMT_EXECUTE: 0x17,
  COM_STMT_SEND_LONG_DATA: 0x18,
  COM_STMT_CLOSE: 0x19,
  COM_STMT_RESET: 0x1a,
  COM_SET_OPTION: 0x1b,
  COM_STMT_FETCH: 0x1c,
  COM_DAEMON: 0x1d,
  COM_BINLOG_DUMP_GTID: 0x1e,
  COM_RESET_CONNECTION: 0x1f,
  COM_CLONE: 0x20,
  COM_SUBSCRIBE_GROUP_REPLICATION_STREAM: 0x21,
  /** MariaDB: many executions of one statement (MARIADB_CLIENT_STMT_BULK_OPERATIONS). */
  COM_STMT_BULK_EXECUTE: 0xfa,
  /** MariaDB: between a Spider node and its data nodes. */
  COM_SLAVE_WORKER: 0xfb,
  COM_SLAVE_IO: 0xfc,
  COM_SLAVE_SQL: 0xfd,
  /** MariaDB 10.2 previews: several commands in one packet. */
  COM_MULTI: 0xfe,
} as const

export interface CommandInfo {
  op: number
  name: string
  answer: Answer
  /** Sent by clients; the others exist inside the server only and are answered with an error. */
  byClients: boolean
  /** The payload begins with a 4-byte statement id. */
  statementId: boolean
  /** Length of the whole payload incl. the command byte: [least, most]. */
  length: readonly [number, number]
}

const ANY = Number.POSITIVE_INFINITY
const answers: Record<number, Answer> = {
  [Command.COM_QUIT]: Answer.none,
  [Command.COM_STMT_SEND_LONG_DATA]: Answer.none,
  [Command.COM_STMT_CLOSE]: Answer.none,
  [Command.COM_STMT_PREPARE]: Answer.prepare,
  [Command.COM_STATISTICS]: Answer.text,
  [Command.COM_FIELD_LIST]: Answer.fields,
  [Command.COM_STMT_FETCH]: Answer.rows,
  [Command.COM_CHANGE_USER]: Answer.auth,
  [Command.COM_BINLOG_DUMP]: Answer.stream,
  [Command.COM_BINLOG_DUMP_GTID]: Answer.stream,
  [Command.COM_TABLE_DUMP]: Answer.stream,
  [Command.COM_CLONE]: Answer.handover,
  [Command.COM_SUBSCRIBE_GROUP_REPLICATION_STREAM]: Answer.handover,
}
const lengths: Record<number, readonly [number, number]> = {
  [Command.COM_QUIT]: [1, 1],
  [Command.COM_INIT_DB]: [1, 1 + 4 * 64],
  [Command.COM_QUERY]: [2, ANY],
  [Command.COM_FIELD_LIST]: [2, 1 + 2 * 4 * 64 + 2],
  [Command.COM_CREATE_DB]: [2, 1 + 4 * 64],
  [Command.COM_DROP_DB]: [2, 1 + 4 * 64],
  [Command.COM_REFRESH]: [2, 2],
  [Command.COM_SHUTDOWN]: [1, 2],
  [Command.COM_STATISTICS]: [1, 1],
  [Command.COM_PROCESS_INFO]: [1, 1],
  [Command.COM_PROCESS_KILL]: [5, 5],
  [Command.COM_DEBUG]: [1, 1],
  [Command.COM_PING]: [1, 1],
  [Command.COM_CHANGE_USER]: [3, 1 << 16],
  [Command.COM_BINLOG_DUMP]: [11, 1024],
  [Command.COM_REGISTER_SLAVE]: [18, 1024],
  [Command.COM_STMT_PREPARE]: [2, ANY],
  [Command.COM_STMT_EXECUTE]: [10, ANY],
  [Command.COM_STMT_SEND_LONG_DATA]: [7, ANY],
  [Command.COM_STMT_CLOSE]: [5, 5],
  [Command.COM_STMT_RESET]: [5, 5],
  [Command.COM_SET_OPTION]: [3, 3],
  [Command.COM_STMT_FETCH]: [9, 9],
  [Command.COM_BINLOG_DUMP_GTID]: [15, 1 << 20],
  [Command.COM_RESET_CONNECTION]: [1, 1],
  [Command.COM_CLONE]: [1, 1],
  [Command.COM_STMT_BULK_EXECUTE]: [7, ANY],
}
const withId = new Set<number>([
  Command.COM_STMT_EXECUTE,
  Command.COM_STMT_SEND_LONG_DATA,
  Command.COM_STMT_CLOSE,
  Command.COM_STMT_RESET,
  Command.COM_STMT_FETCH,
  Command.COM_STMT_BULK_EXECUTE,
])

/** All commands, in byte order. */
export const COMMANDS: readonly CommandInfo[] = Object.entries(Command).map(([name, op]) => ({
  op,
  name,
  answer: answers[op] ?? Answer.any,
  byClients: lengths[op] !== undefined,
  statementId: withId.has(op),
  length: lengths[op] ?? [1, ANY],
}))

const byOp: (CommandInfo | undefined)[] = new Array(256).fill(undefined)
const answerByOp = new Uint8Array(256).fill(Answer.any)
const hasStatementId = new Uint8Array(256)
for (const c of COMMANDS) {
  byOp[c.op] = c
  answerByOp[c.op] = c.answer
  if (c.statementId) hasStatementId[c.op] = 1
}

/** Name of a command byte; unknown ones as `COM_0x2a`. */
export function commandName(op: number): string {
  return byOp[op]?.name ?? `COM_0x${op.toString(16).padStart(2, '0')}`
}

/** Which answer a command byte gets; unknown commands get an ERR, which `any` covers. */
export const answerOf = (op: number): Answer => answerByOp[op & 255] as Answer

/** Whether the payload of this command begins with a statement id. */
export const takesStatementId = (op: number): boolean => hasStatementId[op & 255] === 1

/** Whether a client could have sent this command byte with a payload of this length: used to find messages again. */
export function plausibleCommand(op: number, length: number): boolean {
  const c = byOp[op & 255]
  return c?.byClients === true && length >= c.length[0] && length <= c.length[1]
}
