/**
 * zstd (RFC 8878) as a stream, all frames, by the WebAssembly code of zstddec, loaded only when needed. zstddec's own streaming
 * function reports no errors (it spins) and leaks what it holds then; so its code is driven here, in a fresh instance per input,
 * whose memory is garbage-collected whole.
 */
import { withoutFetch } from '../core/without-fetch.ts'
import type { Damage, Deliver, Refill } from './inflate.ts'

/** What the WebAssembly code exports, of the C library's API (zstd.h). Pointers and sizes are 32-bit numbers. */
interface Zstd {
  memory: { readonly buffer: ArrayBuffer }
  malloc(bytes: number): number
  ZSTD_createDCtx(): number
  ZSTD_DStreamInSize(): number
  ZSTD_DStreamOutSize(): number
  /** 0 when a frame is complete, positive when more is expected, a negative ZSTD_ErrorCode on error. */
  ZSTD_decompressStream(context: number, output: number, input: number): number
}

/** ZSTD_ErrorCode (zstd_errors.h) in words; others by number. */
const ERRORS: Readonly<Record<number, string>> = {
  10: 'bytes that are no zstd frame',
  14: 'a frame parameter is not supported',
  16: 'its window is larger than 128 MiB: decompress it first (zstd -d --long=31)',
  20: 'the data is corrupt',
  22: 'the checksum is wrong',
  32: 'it needs a dictionary',
  64: 'not enough memory',
}

/** The part of the global WebAssembly that is used: neither ES2023 nor Node's types declare it. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: { instantiate(module: object, imports: object): Promise<{ exports: unknown }> }
}

let module: object | undefined

async function instance(): Promise<Zstd> {
  if (module === undefined) {
    const { ZSTDDecoder } = await import('zstddec/stream')
    const decoder = new ZSTDDecoder()
    const initialised = decoder._init
    decoder._init = (result: { module: object }) => {
      initialised(result)
      module = result.module
    }
    await withoutFetch(() => decoder.init())
  }
  const imports = { env: { emscripten_notify_memory_growth: () => {} } }
  return (await WebAssembly.instantiate(module!, imports)).exports as Zstd
}

/** Decompresses until the input ends, is damaged, or `deliver` wants no more. */
export async function unzstd(refill: Refill, deliver: Deliver): Promise<Damage> {
  const zstd = await instance()
  const context = zstd.ZSTD_createDCtx()
  const inputSize = zstd.ZSTD_DStreamInSize()
  const outputSize = zstd.ZSTD_DStreamOutSize()
  const input = zstd.malloc(inputSize)
  const output = zstd.malloc(outputSize)
  // ZSTD_inBuffer and ZSTD_outBuffer: pointer, size, position.
  const inBuffer = zstd.malloc(12)
  const outBuffer = zstd.malloc(12)
  let expected = 0
  for (;;) {
    const chunk = await refill()
    if (chunk.length === 0) return expected === 0 ? null : 'unexpected end of file'
    for (let at = 0; at < chunk.length; at += inputSize) {
      const piece = chunk.subarray(at, at + inputSize)
      new Uint8Array(zstd.memory.buffer).set(piece, input)
      setBuffer(zstd, inBuffer, input, piece.length)
      let used = 0
      let produced = 0
      do {
        setBuffer(zstd, outBuffer, output, outputSize)
        expected = zstd.ZSTD_decompressStream(context, outBuffer, inBuffer)
        if (expected < 0) return ERRORS[-expected] ?? `error ${-expected}`
        // The memory may have grown, and its buffer changed.
        const view = new DataView(zstd.memory.buffer)
        used = view.getUint32(inBuffer + 8, true)
        produced = view.getUint32(outBuffer + 8, true)
        if (produced > 0 && !deliver(new Uint8Array(zstd.memory.buffer, output, produced))) return null
        // A full output buffer means that there may be more to come, except at the end of a frame.
      } while (used < piece.length || (produced === outputSize && expected !== 0))
    }
  }
}

function setBuffer(zstd: Zstd, at: number, pointer: number, size: number): void {
  const view = new DataView(zstd.memory.buffer)
  view.setUint32(at, pointer, true)
  view.setUint32(at + 4, size, true)
  view.setUint32(at + 8, 0, true)
}
