/**
 * Credentials never reach an output: statements that carry a password lose it, whatever the redaction setting (manual:
 * "Passwords and Logging" lists the statements; MariaDB adds IDENTIFIED VIA … USING).
 */
const SECRET_STATEMENT =
  /\b(?:IDENTIFIED|PASSWORD|MASTER_PASSWORD|SOURCE_PASSWORD|AES_(?:EN|DE)CRYPT|OLD_PASSWORD|ENCRYPT)\b/i
const LITERAL = /'(?:[^'\\]|\\.|'')*(?:'|…|$)|"(?:[^"\\]|\\.|"")*(?:"|…|$)/g

/** The statement with every string literal replaced when it is one that may carry a credential. */
export function redactSecrets(statement: string): string {
  return SECRET_STATEMENT.test(statement) ? statement.replace(LITERAL, "'<secret>'") : statement
}
