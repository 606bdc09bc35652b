/** The part of the untyped package pcap-parser 0.2.1 that second-opinion.ts uses. */
declare module 'pcap-parser' {
  import type { Readable } from 'node:stream'

  interface ParsedPacket {
    header: { timestampSeconds: number; timestampMicroseconds: number; capturedLength: number; originalLength: number }
    data: Uint8Array
  }
  interface Parser {
    on(event: 'packet', listener: (packet: ParsedPacket) => void): this
    on(event: 'error', listener: (error: Error) => void): this
    on(event: 'end', listener: () => void): this
  }
  const pcapParser: { parse(input: Readable): Parser }
  export default pcapParser
}
