/**
 * MySQL's in-band upgrade to TLS (manual: Protocol::SSLRequest): after the server's greeting the client's first packet is 32 bytes long,
 * numbered 1, with CLIENT_SSL among its capabilities and no user name.
 */
const LENGTH = 36
const CLIENT_SSL = 0x0800

/** Whether these first bytes of a client are an SSLRequest: null while there are too few to tell. */
export function isSslRequest(first: Uint8Array): boolean | null {
  const head = [0x20, 0x00, 0x00, 0x01]
  for (let i = 0; i < Math.min(4, first.length); i++) if (first[i] !== head[i]) return false
  if (first.length < LENGTH) return null
  return ((first[4]! | (first[5]! << 8)) & CLIENT_SSL) !== 0
}

export const SSL_REQUEST_BYTES = LENGTH
