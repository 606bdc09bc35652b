/** What every file of a recording begins and ends with: section header, interfaces, secrets; interface statistics. */
import {
  decryptionSecrets,
  interfaceDescription,
  interfaceStatistics,
  sectionHeader,
} from '../capture/pcapng-writer.ts'
import { type Address, addressText } from './address.ts'
import { LINKTYPE_RAW } from './frames.ts'
import type { InterfaceCounts } from './recorder.ts'

const ABOUT =
  'Recorded by mysqlconn proxy at its sockets. TCP segments, acknowledgments and handshakes are synthesised; bytes, addresses, ports, order and times are those of the sockets.'
const SYNTHESISED = 'TCP frames synthesised by mysqlconn proxy'

/** One interface per leg of each route. `secrets`: key logs of the sessions that are open. */
export function recordingHead(
  routes: readonly { listen: Address; upstream: Address }[],
  about: { version: string; snaplen: number },
  secrets: Iterable<string>,
): Uint8Array {
  const blocks = [sectionHeader({ application: `mysqlconn ${about.version} proxy`, comment: ABOUT })]
  for (const r of routes) {
    const [listen, upstream] = [addressText(r.listen), addressText(r.upstream)]
    const common = { linkType: LINKTYPE_RAW, snaplen: about.snaplen }
    blocks.push(
      interfaceDescription({ ...common, name: `front ${listen}`, description: `Clients of ${listen}; ${SYNTHESISED}` }),
      interfaceDescription({
        ...common,
        name: `back ${upstream}`,
        description: `Connections to ${upstream} for the clients of ${listen}; ${SYNTHESISED}`,
      }),
    )
  }
  for (const text of secrets) blocks.push(decryptionSecrets(text))
  return Buffer.concat(blocks)
}

/** What was left out is counted in the file. */
export function recordingTail(counts: readonly InterfaceCounts[], unixMs: number, failed: Error | null): Uint8Array {
  const unixSeconds = Math.floor(unixMs / 1000)
  const nanoseconds = Math.floor((unixMs - unixSeconds * 1000) * 1e6)
  return Buffer.concat(
    counts.map((c, interfaceId) => {
      const why: string[] = []
      if (c.dropped > 0) why.push(`${c.dropped} frames left out: they came faster than they could be written`)
      if (failed !== null) why.push(`the recording stopped here: ${failed.message}`)
      return interfaceStatistics({
        interfaceId,
        unixSeconds,
        nanoseconds,
        received: c.frames + c.dropped,
        interfaceDrops: c.dropped,
        comment: why.join('; '),
      })
    }),
  )
}
