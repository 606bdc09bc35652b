/**
 * The kernel's own table of TCP sockets (Linux, proc(5): /proc/net/tcp, /proc/net/tcp6): what the peer has not acknowledged and how
 * often that was retransmitted, which no socket call of Node tells. Read off the path of the traffic, and only when asked.
 */
import { readFile } from 'node:fs/promises'

export interface SocketState {
  /** Bytes sent and not acknowledged, and bytes received and not read. */
  unacknowledged: number
  unread: number
  /** Retransmissions of the oldest of them so far. */
  retransmissions: number
}

const FILES = ['/proc/net/tcp', '/proc/net/tcp6']

/** States of all TCP sockets by `socketKey`; null where the system has no such table. */
export async function readTcpTable(files: readonly string[] = FILES): Promise<Map<string, SocketState> | null> {
  const table = new Map<string, SocketState>()
  let any = false
  for (const file of files) {
    try {
      parseTcpTable(await readFile(file, 'latin1'), table)
      any = true
    } catch {
      // Not Linux, or no IPv6.
    }
  }
  return any ? table : null
}

/** `sl local rem st tx:rx tr:when retrnsmt uid …`, numbers in hex. */
export function parseTcpTable(text: string, into: Map<string, SocketState>): void {
  const line =
    /^ *\d+: ([0-9A-F]+):([0-9A-F]{4}) ([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]{2} ([0-9A-F]+):([0-9A-F]+) [0-9A-F]+:[0-9A-F]+ ([0-9A-F]+)/gm
  for (const m of text.matchAll(line)) {
    const local = Number.parseInt(m[2]!, 16)
    const remote = Number.parseInt(m[4]!, 16)
    into.set(`${local} ${remote} ${m[1]!.slice(-8)} ${m[3]!.slice(-8)}`, {
      unacknowledged: Number.parseInt(m[5]!, 16),
      unread: Number.parseInt(m[6]!, 16),
      retransmissions: Number.parseInt(m[7]!, 16),
    })
  }
}

/** Key of a socket by both ports and the last four bytes of both addresses, as the kernel prints them (in host byte order). */
export function socketKey(localPort: number, remotePort: number, local: Uint8Array, remote: Uint8Array): string {
  return `${localPort} ${remotePort} ${lastWord(local)} ${lastWord(remote)}`
}

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

function lastWord(ip: Uint8Array): string {
  const bytes = [...ip.subarray(ip.length - 4)]
  if (LITTLE) bytes.reverse()
  return bytes.map((b) => b.toString(16).padStart(2, '0').toUpperCase()).join('')
}
