/** Why a TLS session was not read, in words. */
import type { Unread } from './listener.ts'

/** `sessions show`, `tls` and the limits of a session say these. */
export const UNREAD_WORDS: Readonly<Record<Unread, string>> = {
  'no-keys': 'no key for this TLS session',
  'handshake-unseen': 'TLS: the handshake is not in the capture, so no key can be found for it',
  cipher: 'TLS: a cipher suite that cannot be decrypted here',
  'wrong-keys': 'TLS: the keys given for this session do not open it',
  'place-lost': 'TLS: decrypted up to a place behind which no record could be opened',
}
