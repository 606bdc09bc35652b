/** Zstandard for CLIENT_ZSTD_COMPRESSION_ALGORITHM. The decoder is WebAssembly and must be made ready once, ahead of time. */
import type { ZSTDDecoder } from 'zstddec'
import { withoutFetch } from '../core/without-fetch.ts'

let decoder: ZSTDDecoder | null = null

/** Makes zstd ready; without it such packets are counted as unreadable. Safe to call more than once. */
export async function initZstd(): Promise<void> {
  if (decoder !== null) return
  const { ZSTDDecoder } = await import('zstddec')
  const ready = new ZSTDDecoder()
  await withoutFetch(() => ready.init())
  decoder = ready
}

/** The frame's content, which must have `length` bytes; null when it has not, or zstd is not ready. */
export function zstdDecode(frame: Uint8Array, length: number): Uint8Array | null {
  if (decoder === null) return null
  try {
    const out = decoder.decode(frame, length)
    return out.length === length ? out : null
  } catch {
    return null
  }
}
