/** Certificates and keys named by the user, read once at the start: a wrong one is said before any traffic. */
import { readFileSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'
import { MysqlconnError } from '../core/errors.ts'
import type { TlsOptions, UpstreamTls } from './tls-session.ts'

export interface TlsSettings {
  tlsCert?: string
  tlsKey?: string
  upstreamTls?: string
  upstreamCa?: string
  upstreamCert?: string
  upstreamKey?: string
}

/** Null: TLS passes through untouched. Throws E_USAGE, with the reason where TLS cannot be ended sensibly. */
export function tlsOptions(s: TlsSettings): Omit<TlsOptions, 'host'> | null {
  if (s.tlsCert === undefined && s.tlsKey === undefined) {
    if (s.upstreamTls !== undefined || s.upstreamCa !== undefined || s.upstreamCert !== undefined)
      throw new MysqlconnError(
        'E_USAGE',
        '--upstream-tls and --upstream-ca concern TLS that the proxy ends, which needs --tls-cert and --tls-key',
        'without them TLS passes through untouched',
      )
    return null
  }
  if (s.tlsCert === undefined || s.tlsKey === undefined)
    throw new MysqlconnError('E_USAGE', '--tls-cert and --tls-key go together')
  if ((s.upstreamCert === undefined) !== (s.upstreamKey === undefined))
    throw new MysqlconnError('E_USAGE', '--upstream-cert and --upstream-key go together')
  const upstream = s.upstreamTls ?? 'verify-full'
  if (upstream === 'off')
    throw new MysqlconnError(
      'E_USAGE',
      '--upstream-tls off: a client that speaks TLS sends its password as it is (caching_sha2_password, PAM, LDAP), and the server leg would show it to everybody',
      'leave out --tls-cert to let TLS pass through, or switch TLS off in the client',
    )
  const front = context(
    { cert: file(s.tlsCert, '--tls-cert'), key: file(s.tlsKey, '--tls-key') },
    '--tls-cert, --tls-key',
  )
  const back = context(
    {
      ...(s.upstreamCa === undefined ? {} : { ca: file(s.upstreamCa, '--upstream-ca') }),
      ...(s.upstreamCert === undefined
        ? {}
        : { cert: file(s.upstreamCert, '--upstream-cert'), key: file(s.upstreamKey!, '--upstream-key') }),
    },
    '--upstream-ca, --upstream-cert, --upstream-key',
  )
  return { front, back, upstream: upstream as UpstreamTls }
}

function file(path: string, flag: string): Buffer {
  try {
    return readFileSync(path)
  } catch (e) {
    throw new MysqlconnError('E_USAGE', `${flag}: cannot read ${path}: ${(e as Error).message}`, undefined, e)
  }
}

function context(of: Parameters<typeof createSecureContext>[0], flags: string): SecureContext {
  try {
    return createSecureContext(of)
  } catch (e) {
    throw new MysqlconnError(
      'E_USAGE',
      `${flags}: ${(e as Error).message}`,
      'PEM files; the key must belong to the certificate',
      e,
    )
  }
}
