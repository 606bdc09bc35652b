/** Fields of the --filter language: what of a session can be compared. To add one: a row here; help and errors follow. */
import type { SessionReport } from './model.ts'
import { commandsOf, durationOf } from './sessions-table.ts'

export type FilterValue = string | number | null | readonly (string | number)[]

export interface FilterField {
  /** Text takes == != ~ (without regard to case); numbers and durations take the orders as well. */
  type: 'text' | 'number' | 'duration'
  says: string
  /** Null when the session does not have it. A list matches when one of it does. */
  of: (s: SessionReport) => FilterValue
}

/** Both forms: the whole endpoint and the address alone. */
const endpoint = (text: string): string[] => [text, text.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')]
const port = (text: string): number => Number(text.slice(text.lastIndexOf(':') + 1))

export const FILTER_FIELDS: Readonly<Record<string, FilterField>> = {
  id: { type: 'text', says: 'session id, capture.pcap:12', of: (s) => s.id },
  stream: { type: 'number', says: "Wireshark's tcp.stream", of: (s) => Number(s.id.slice(s.id.lastIndexOf(':') + 1)) },
  input: { type: 'text', says: 'name of the capture', of: (s) => s.id.slice(0, s.id.lastIndexOf(':')) },
  client: { type: 'text', says: 'address or address:port of the side that opened', of: (s) => endpoint(s.client) },
  server: { type: 'text', says: 'address or address:port of the side that accepted', of: (s) => endpoint(s.server) },
  port: { type: 'number', says: 'server port', of: (s) => port(s.server) },
  user: { type: 'text', says: 'MySQL user', of: (s) => s.mysql?.user ?? null },
  schema: { type: 'text', says: 'default schema', of: (s) => s.mysql?.schema ?? null },
  version: { type: 'text', says: 'server version', of: (s) => s.mysql?.serverVersion ?? null },
  flavor: { type: 'text', says: 'mysql, mariadb, proxysql, ...', of: (s) => s.mysql?.flavor ?? null },
  connection_id: {
    type: 'number',
    says: "MySQL connection id (the server's thread id)",
    of: (s) => s.mysql?.connectionId ?? null,
  },
  command: {
    type: 'text',
    says: 'a command that was sent, COM_QUERY',
    of: (s) => Object.keys(s.mysql?.commands ?? {}),
  },
  commands: { type: 'number', says: 'number of commands sent', of: commandsOf },
  error: {
    type: 'number',
    says: 'an error code that the server sent',
    of: (s) => s.mysql?.errors.map((e) => e.code) ?? null,
  },
  errors: {
    type: 'number',
    says: 'number of errors that the server sent',
    of: (s) => s.mysql?.errors.reduce((n, e) => n + e.count, 0) ?? 0,
  },
  tls: { type: 'text', says: 'complete, failed, unseen', of: (s) => s.tls?.handshake ?? null },
  state: { type: 'text', says: "Zeek's conn_state, RSTR", of: (s) => s.connState },
  history: { type: 'text', says: "Zeek's history letters", of: (s) => s.history },
  vantage: { type: 'text', says: 'where the capture sat: client, proxy, server', of: (s) => s.vantage },
  'ending.how': { type: 'text', says: 'fin, rst, open, timeout, unknown', of: (s) => s.ending.how },
  'ending.by': { type: 'text', says: 'client, server, unknown', of: (s) => s.ending.by },
  'ending.command': { type: 'text', says: 'the command outstanding at the end', of: (s) => s.ending.command },
  outcome: {
    type: 'text',
    says: 'not-delivered, delivered-unknown, response-begun, committed, ...',
    of: (s) => s.ending.outcome,
  },
  silence: { type: 'duration', says: 'time without payload before the end', of: (s) => s.ending.silenceSeconds },
  duration: { type: 'duration', says: 'from first to last frame', of: durationOf },
  bytes: { type: 'number', says: 'payload bytes of both sides', of: (s) => s.bytes.client + s.bytes.server },
  retransmissions: {
    type: 'number',
    says: 'segments sent again by either side',
    of: (s) => s.retransmissions.client + s.retransmissions.server,
  },
}
