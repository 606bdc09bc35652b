/**
 * Decompression of inputs as a stream: gzip (RFC 1952, all members) by node:zlib; zstd is unzstd.ts. What precedes a break or
 * damage is delivered; then the reason is returned.
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

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
