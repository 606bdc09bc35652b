/** Errors of sockets and certificates in words that say what to do. */
import { MysqlconnError } from '../core/errors.ts'
import { type Address, addressText } from './address.ts'

export function listenError(at: Address, e: NodeJS.ErrnoException): MysqlconnError {
  const why =
    e.code === 'EADDRINUSE'
      ? 'something listens there already'
      : e.code === 'EACCES'
        ? 'not allowed (ports below 1024 need privileges)'
        : e.code === 'EADDRNOTAVAIL'
          ? 'this machine does not have the address'
          : e.message
  return new MysqlconnError('E_PROXY_LISTEN', `cannot listen on ${addressText(at)}: ${why}`, undefined, e)
}

export function tlsWords(e: NodeJS.ErrnoException): string {
  const words: Record<string, string> = {
    SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is signed by a CA that is not known here (--upstream-ca)',
    DEPTH_ZERO_SELF_SIGNED_CERT:
      'its certificate is self-signed (--upstream-ca, or --upstream-tls required to accept any)',
    UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is signed by a CA that is not known here (--upstream-ca)',
    UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is signed by a CA that is not known here (--upstream-ca)',
    CERT_HAS_EXPIRED: 'its certificate has expired',
    ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate bears another name (--upstream-tls verify-ca does not compare it)',
  }
  return words[e.code ?? ''] ?? e.message
}

export function connectWords(errno: string, e: Error): string {
  const words: Record<string, string> = {
    ECONNREFUSED: 'refused, nothing listens there',
    ETIMEDOUT: 'no answer',
    ENOTFOUND: 'the name is unknown',
    EAI_AGAIN: 'the name server does not answer',
    EHOSTUNREACH: 'no route to the host',
    ENETUNREACH: 'no route to the network',
    EMFILE: 'no file descriptor left (ulimit -n)',
    ENOENT: 'there is no such socket',
    EACCES: 'not allowed',
    EADDRNOTAVAIL: 'no local port left',
  }
  return words[errno] ?? e.message
}
