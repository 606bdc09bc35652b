/**
 * zstddec fetches its own code from a data: URL where there is a fetch(), and for that Node starts its whole HTTP client: 30 ms
 * and 10 MB for nothing. Without one it takes the bytes as they are.
 */
export function withoutFetch<T>(start: () => T): T {
  const own = Object.getOwnPropertyDescriptor(globalThis, 'fetch')
  if (own === undefined || own.configurable !== true) return start()
  Object.defineProperty(globalThis, 'fetch', { value: undefined, configurable: true, writable: true })
  try {
    return start()
  } finally {
    Object.defineProperty(globalThis, 'fetch', own)
  }
}
