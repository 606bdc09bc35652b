/**
 * What the clients do. Shares are of commands; times in microseconds.
 *   small  point queries: many small packets, for packets per second
 *   large  exports of 20 KB to 8 MB, half of the connections with receive offload (segments up to 64 KiB), for bytes per second
 *   mixed  mostly point queries, some exports
 */
export const PROFILES = {
  small: { exports: 0, prepared: 0.04, updates: 0.08, pings: 0.04, think: 50_000, commands: 100, offload: 0 },
  large: { exports: 0.9, prepared: 0.02, updates: 0.02, pings: 0.04, think: 20_000_000, commands: 30, offload: 0.5 },
  mixed: { exports: 0.02, prepared: 0.15, updates: 0.1, pings: 0.05, think: 1_000_000, commands: 100, offload: 0.2 },
}

export const EXPORT_BYTES = [20_000, 8_000_000]
export const MSS = 1448
/** Receive offload joins up to this many full segments into one. */
export const OFFLOAD_SEGMENTS = 45
export const RETRANSMITTED = 0.001
export const REORDERED = 0.001
/** One session in so many is reset by the server right after its query. */
export const SESSIONS_PER_RESET = 1000
