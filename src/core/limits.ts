/** Every bound in one place, each with its reason. Reaching one is an anomaly (`us.limit`), never a failure. */
export interface Limits {
  /** Largest record or block of a capture file: what a damaged length field can make us hold. */
  captureRecordBytes: number
  /** Interfaces described by one pcapng section; dumpcap and mergecap write a handful. */
  captureInterfaces: number
  /** Bytes of one direction kept while waiting for a hole to fill. Past it the hole is declared a gap. */
  outOfOrderBytesPerHalf: number
  /** The same over all connections together: what keeps a capture with heavy loss from eating the machine. */
  outOfOrderBytesTotal: number
  /** Bytes of a statement kept as evidence. */
  sqlPreviewBytes: number
  /** Prepared statements whose text is remembered per session; the oldest are forgotten first. */
  preparedStatements: number
  /** Timeline events kept per session: the first ones and the last ones. */
  timelineHead: number
  timelineTail: number
  /** Events kept for a session traced by `sessions show`. */
  traceEvents: number
  /** Findings whose ladder a report draws, and events of each: what a reader scrolls through, and what keeps HTML under 5 MB. */
  ladders: number
  ladderEvents: number
  /** Bytes of frames of one slice: they are held in memory, and a larger one is no slice. */
  sliceBytes: number
  /** Sessions listed in the report. Broken ones are always listed; healthy ones beyond this are only counted. */
  healthySessions: number
  /** Ended sessions that the live analysis of the proxy keeps as context for the next ones. */
  liveSessions: number
  /** IP fragments awaiting their siblings, in bytes over all datagrams. */
  fragmentBytes: number
  /** Anomalies of one kind kept with their place; further ones are only counted. */
  anomaliesKept: number
  /** TCP bytes examined before a connection that shows no MySQL is left alone. */
  recogniseBytes: number
  /** Sessions whose TLS secrets are remembered, about 1 KB each; the oldest of a key log are forgotten first. */
  tlsKeySessions: number
  /** Bytes of a key log file, or of a private key, that are read as one line: no secret is that long. */
  tlsKeyLineBytes: number
  /** Bytes of TLS records under way in several segments, over all connections together. */
  tlsRecordBytesTotal: number
  /** Record numbers tried after a hole in a TLS stream: beyond it the place counts as lost. */
  tlsResyncRecords: number
  /** The same over the life of one connection: a try costs as much as decrypting the record. */
  tlsResyncTries: number
  /** Bytes of a log line that are read; the rest of it is skipped. A general log holds whole statements. */
  logLineBytes: number
  /** Bytes of an entry of several lines (a stack trace, a statement) that are looked at. */
  logEntryBytes: number
  /** Bytes of an entry kept as evidence. */
  logTextBytes: number
  /** Log events kept over all inputs, about 1 KB each: half for those that say why something broke. */
  logEvents: number
  /** Bytes of a configuration file that are read. */
  configBytes: number
}

export const LIMITS: Limits = {
  captureRecordBytes: 64 << 20,
  captureInterfaces: 65_536,
  outOfOrderBytesPerHalf: 1 << 20,
  outOfOrderBytesTotal: 32 << 20,
  sqlPreviewBytes: 1024,
  preparedStatements: 256,
  timelineHead: 8,
  timelineTail: 24,
  traceEvents: 20_000,
  ladders: 100,
  ladderEvents: 80,
  sliceBytes: 256 << 20,
  healthySessions: 10_000,
  liveSessions: 2_000,
  fragmentBytes: 4 << 20,
  anomaliesKept: 8,
  recogniseBytes: 64 << 10,
  tlsKeySessions: 200_000,
  tlsKeyLineBytes: 4096,
  tlsRecordBytesTotal: 64 << 20,
  tlsResyncRecords: 1024,
  tlsResyncTries: 8192,
  logLineBytes: 64 << 10,
  logEntryBytes: 64 << 10,
  logTextBytes: 4096,
  logEvents: 100_000,
  configBytes: 4 << 20,
}
