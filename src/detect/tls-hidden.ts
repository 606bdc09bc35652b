/** Whether TLS hides what a session said. One that was decrypted is judged like one without TLS. */
import type { Session } from '../session/session.ts'

export const hiddenByTls = (s: Session): boolean => s.tls !== null && !s.tls.decrypted
