/** TLS alerts: RFC 8446 6 and the older ones of RFC 5246 7.2, RFC 6066 9 (IANA TLS Alerts), and what each means for MySQL. */

export interface AlertKind {
  name: string
  /** What the SENDER of the alert is saying, in MySQL's terms. */
  means: string
}

/** AlertLevel. */
export const WARNING = 1
export const FATAL = 2
export const CLOSE_NOTIFY = 0

export const ALERTS: Readonly<Record<number, AlertKind>> = {
  0: {
    name: 'close_notify',
    means:
      'An orderly close. Java, Go and rustls clients send it; mysqld, MariaDB Connector/C and ProxySQL close without it, so its absence proves nothing.',
  },
  10: {
    name: 'unexpected_message',
    means:
      'A message that does not belong here: plain text or a PROXY protocol header sent into TLS, or two protocols mixed up.',
  },
  20: {
    name: 'bad_record_mac',
    means:
      'A record failed its integrity check: bytes changed on the way, or one TLS connection used by two threads or after fork.',
  },
  21: { name: 'decryption_failed', means: 'TLS 1.0 only: a record did not decrypt.' },
  22: { name: 'record_overflow', means: 'A record longer than allowed: usually bytes that are not TLS at all.' },
  30: {
    name: 'decompression_failure',
    means: 'Compressed TLS could not be read; no MySQL software compresses in TLS.',
  },
  40: {
    name: 'handshake_failure',
    means: 'No acceptable parameters: no common cipher suite, or (TLS 1.2) the server requires a client certificate.',
  },
  41: { name: 'no_certificate', means: 'SSL 3.0 only: the client was asked for a certificate and has none.' },
  42: {
    name: 'bad_certificate',
    means: 'The sender found the other side’s certificate corrupt or its signature wrong.',
  },
  43: { name: 'unsupported_certificate', means: 'The sender cannot use this type of certificate or key.' },
  44: { name: 'certificate_revoked', means: 'The sender found the certificate on a revocation list (ssl-crl).' },
  45: {
    name: 'certificate_expired',
    means: 'The sender found the certificate expired or not yet valid: renew it, or correct a clock.',
  },
  46: {
    name: 'certificate_unknown',
    means: 'The sender rejects the certificate for a reason of its own; Java clients say it for any distrust.',
  },
  47: {
    name: 'illegal_parameter',
    means: 'A field of the handshake is out of range: an incompatible or meddled handshake.',
  },
  48: {
    name: 'unknown_ca',
    means:
      'The sender does not trust the issuer: the CA file (ssl-ca) lacks the certificate authority that signed, or it is self-signed.',
  },
  49: { name: 'access_denied', means: 'The certificate is valid, but the sender’s access rules refuse it.' },
  50: { name: 'decode_error', means: 'A message could not be decoded: damaged on the way, or not TLS.' },
  51: {
    name: 'decrypt_error',
    means: 'A signature or key exchange did not verify: certificate and private key do not belong together.',
  },
  60: { name: 'export_restriction', means: 'Obsolete: an export-grade key was refused.' },
  70: {
    name: 'protocol_version',
    means:
      'No common TLS version: MySQL 8.0.28 and later speak only TLSv1.2 and TLSv1.3, newer JDKs disable 1.0 and 1.1. Compare the offered versions with tls_version.',
  },
  71: {
    name: 'insufficient_security',
    means: 'The sender requires stronger cipher suites or keys than the other side offers.',
  },
  80: { name: 'internal_error', means: 'The sender failed for a reason of its own: see its log.' },
  86: {
    name: 'inappropriate_fallback',
    means: 'A client retried with a lower TLS version although the server speaks a higher one.',
  },
  90: { name: 'user_canceled', means: 'The sender gave the handshake up for a reason other than TLS.' },
  100: { name: 'no_renegotiation', means: 'The sender does not renegotiate; by itself harmless.' },
  109: { name: 'missing_extension', means: 'TLS 1.3: an extension that the handshake needs is missing.' },
  110: { name: 'unsupported_extension', means: 'An extension that was not asked for.' },
  111: { name: 'certificate_unobtainable', means: 'A certificate named by URL could not be fetched.' },
  112: {
    name: 'unrecognized_name',
    means: 'No certificate for the server name asked for (SNI): a cloud proxy or TLS router does not know this host.',
  },
  113: { name: 'bad_certificate_status_response', means: 'The stapled OCSP answer is invalid.' },
  114: { name: 'bad_certificate_hash_value', means: 'A fetched certificate does not match its announced hash.' },
  115: {
    name: 'unknown_psk_identity',
    means: 'No such pre-shared key: a session ticket that the server no longer knows.',
  },
  116: {
    name: 'certificate_required',
    means:
      'The server requires a client certificate and got none. In TLS 1.3 this comes after the client believes the handshake done.',
  },
  120: {
    name: 'no_application_protocol',
    means: 'No common protocol in ALPN: the port serves something else than this client wants.',
  },
  121: { name: 'ech_required', means: 'Encrypted ClientHello was required and not accepted.' },
}

/** Name of an alert description, `alert 99` when it is not registered. */
export function alertName(description: number): string {
  return ALERTS[description]?.name ?? `alert ${description}`
}

/** What the sender of the alert says, in MySQL's terms; '' when the number is not registered. */
export function alertMeaning(description: number): string {
  return ALERTS[description]?.means ?? ''
}

/** `warning`, `fatal`, or the number where a peer made one up. */
export function alertLevelName(level: number): string {
  return level === WARNING ? 'warning' : level === FATAL ? 'fatal' : `level ${level}`
}
