/**
 * Decompression of inputs as a stream: gzip (RFC 1952, all members) by node:zlib, zstd (RFC 8878, all frames) by zstddec,
 * which is loaded only when needed. What precedes a break or damage is delivered; then the reason is returned.
 */
import { createGunzip } from 'node:zlib'

/** The compressed bytes: an empty answer is the end. The bytes are valid until the next call. */
export type Refill = () => Uint8Array | Promise<Uint8Array>
/** Takes decompressed bytes, valid during the call; false stops. */
export type Deliver = (chunk: Uint8Array) => boolean

/** null when all was well (or `deliver` stopped it), else what is wrong with the compressed data. */
export type Damage = string | null

const GZIP_CHUNK = 256 << 10

/** Decompresses gzip. Trailing bytes that are no further member are ignored, as gzip -d does. */
export async function gunzip(refill: Refill, deliver: Deliver): Promise<Damage> {
  const inflater = createGunzip({ chunkSize: GZIP_CHUNK })
  let damage: Damage = null
  let thrown: unknown
  let stopped = false
  const failed = new Promise<void>((resolve) => {
    inflater.on('error', (error) => {
      damage = error.message
      resolve()
    })
  })
  const ended = new Promise<void>((resolve) => inflater.on('end', resolve))
  inflater.on('data', (chunk: Uint8Array) => {
    if (stopped) return
    try {
      stopped = !deliver(chunk)
    } catch (error) {
      // A bug in a consumer must reach the caller, not the event emitter.
      thrown = error
      stopped = true
    }
  })
  while (!stopped && damage === null) {
    const chunk = await refill()
    if (chunk.length === 0) break
    const written = new Promise<void>((resolve) => inflater.write(chunk, () => resolve()))
    await Promise.race([written, failed])
    // All that was inflated must be out before an error or the end may discard it.
    while (!stopped && inflater.readableLength > 0) await turn()
  }
  if (!stopped && damage === null) {
    inflater.end()
    await Promise.race([ended, failed])
  }
  inflater.destroy()
  if (thrown !== undefined) throw thrown
  return damage
}

/** Empty answers in a row without new input after which the decoder is stuck on an error, which zstddec does not report. */
const STUCK = 64

/** Decompresses zstd. Windows above 128 MiB (zstd --long=28 and more) are damage to the decoder. */
export async function unzstd(refill: Refill, deliver: Deliver): Promise<Damage> {
  const { ZSTDDecoder } = await import('zstddec/stream')
  const decoder = new ZSTDDecoder()
  await decoder.init()
  // The decoder pulls its input synchronously, one piece at most per step: there is always one waiting, or the end.
  let waiting: Uint8Array | null = null
  let over = false
  let pulled = false
  const pieces: Iterable<Uint8Array> = {
    [Symbol.iterator]: () => ({
      next: (): IteratorResult<Uint8Array> => {
        const value = waiting
        waiting = null
        pulled = true
        return value === null ? { done: true, value: undefined } : { done: false, value }
      },
    }),
  }
  const steps = decoder.decodeStreaming(pieces)
  let stopped = false
  let empty = 0
  for (;;) {
    if (waiting === null && !over) {
      const chunk = await refill()
      over = stopped || chunk.length === 0
      if (!over) waiting = chunk.slice()
    }
    pulled = false
    let step: IteratorResult<Uint8Array>
    try {
      step = steps.next()
    } catch (error) {
      return stopped ? null : (error as Error).message
    }
    if (step.done === true) return null
    empty = step.value.length > 0 || pulled ? 0 : empty + 1
    if (empty > STUCK) return 'not valid zstd data'
    if (stopped || step.value.length === 0) continue
    if (!deliver(step.value)) {
      // Running the decoder dry is the only way to make it free its memory.
      stopped = true
      over = true
      waiting = null
    }
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
