/** Opens a capture file and reads it into a packet sink. */

import { AnomalyLog } from '../core/anomaly.ts'
import { MysqlconnError } from '../core/errors.ts'
import { Epoch, NS_PER_SECOND } from '../core/time.ts'
import { type CaptureInfo, emptyInfo } from './capture-info.ts'
import type { ByteConsumer, ReaderOptions } from './frame-output.ts'
import { type Input, openInput, type PumpOptions } from './input.ts'
import { PcapReader } from './pcap.ts'
import { PcapngReader } from './pcapng.ts'
import type { ContentKind } from './sniff.ts'

export interface CaptureOptions extends ReaderOptions {
  onProgress?: PumpOptions['onProgress']
  signal?: PumpOptions['signal']
  chunkBytes?: number | undefined
}

/** A reader of one capture format. */
interface CaptureReader extends ByteConsumer {
  readonly info: CaptureInfo
}

/** Reads a file of no bytes. */
class EmptyReader implements CaptureReader {
  readonly info = emptyInfo()
  feed(_buf: Uint8Array, start: number, end: number): number {
    return end - start
  }
  finish(): void {}
}

const READERS: Partial<Record<ContentKind, new (options: ReaderOptions) => CaptureReader>> = {
  pcap: PcapReader,
  pcapng: PcapngReader,
  empty: EmptyReader,
}

/** Whether content of this kind is read by `openCapture`. An empty file counts: it is reported as an empty capture. */
export const isCapture = (kind: ContentKind): boolean => READERS[kind] !== undefined

const ENDINGS = { none: '', gzip: '.gz', zstd: '.zst' } as const

export class Capture {
  readonly path: string
  private readonly input: Input
  private readonly reader: CaptureReader
  private readonly options: CaptureOptions

  constructor(input: Input, reader: CaptureReader, options: CaptureOptions) {
    this.path = input.path
    this.input = input
    this.reader = reader
    this.options = options
  }

  /** 'pcap', 'pcapng', with '.gz' or '.zst' when compressed. */
  get format(): string {
    return this.input.kind + ENDINGS[this.input.compression]
  }

  /** What is known so far; complete after `run`. */
  get info(): CaptureInfo {
    const info = this.reader.info
    info.format = this.format
    info.compression = this.input.compression
    info.bytes = this.input.size ?? this.input.bytesRead
    return info
  }

  /** Reads the whole capture into the sink. Resolves to false when the signal stopped it; then the info covers what was read. */
  async run(): Promise<boolean> {
    const complete = await this.input.pump(this.reader, this.options)
    if (complete && this.info.packets === 0) this.options.anomalies.note('capture.empty')
    return complete
  }

  close(): void {
    this.input.close()
  }
}

/** Opens a capture, by path or as an input that was opened and recognised before. Throws E_INPUT_OPEN or E_INPUT_UNRECOGNISED. */
export async function openCapture(source: string | Input, options: CaptureOptions): Promise<Capture> {
  const input = typeof source === 'string' ? await openInput(source) : source
  const Reader = READERS[input.kind]
  if (Reader === undefined) {
    input.close()
    throw notACapture(input.path, input.kind, input.hint)
  }
  return new Capture(input, new Reader(options), options)
}

/** E_INPUT_UNRECOGNISED for content that is no capture. */
export function notACapture(path: string, kind: ContentKind, hint: string): MysqlconnError {
  if (hint !== '') return new MysqlconnError('E_INPUT_UNRECOGNISED', `cannot read ${path}: it is ${hint}`)
  const what = kind === 'text' ? 'text' : kind === 'keylog' ? 'a TLS key log' : 'of an unknown format'
  return new MysqlconnError(
    'E_INPUT_UNRECOGNISED',
    `${path} is no capture: it is ${what}`,
    'captures are pcap or pcapng, also compressed as .gz or .zst',
  )
}

/** What orders the files of a ring buffer, see series.ts. */
export interface FirstPacket {
  unixSeconds: number
  nanoseconds: number
  format: string
  linkTypes: number[]
}

/** Reads as far as the first packet that has a time. Null for streams (they can be read only once) and files without packets. */
export async function peekFirstPacket(path: string): Promise<FirstPacket | null> {
  const input = await openInput(path)
  if (input.size === null || !isCapture(input.kind)) {
    input.close()
    return null
  }
  const epoch = new Epoch()
  const signal = { aborted: false }
  let at = -1
  const sink = {
    packet(p: { at: number }): void {
      if (at < 0 && epoch.fixed) {
        at = p.at
        signal.aborted = true
      }
    },
  }
  const capture = await openCapture(input, { epoch, anomalies: new AnomalyLog(), sink, signal, chunkBytes: 64 << 10 })
  await capture.run()
  if (at < 0) return null
  const whole = Math.floor(at / NS_PER_SECOND)
  return {
    unixSeconds: epoch.unixSeconds + whole,
    nanoseconds: at - whole * NS_PER_SECOND,
    format: capture.format,
    linkTypes: capture.info.linkTypes,
  }
}
