/**
 * The three ends of a run that are not a report. Bad input is data (anomaly.ts), bad usage or an unreadable input is a
 * MysqlconnError, anything else thrown is our bug. Exit codes are contract.md section 2.
 */
export const EXIT = { ok: 0, findings: 1, usage: 2, input: 3, bug: 70, interrupted: 130 } as const

export type ErrorCode =
  | 'E_USAGE'
  | 'E_INPUT_OPEN'
  | 'E_INPUT_UNRECOGNISED'
  | 'E_NO_SUCH_SESSION'
  | 'E_NO_SUCH_RULE'
  | 'E_FILTER'
  | 'E_OUTPUT'
  | 'E_PROXY_LISTEN'
  | 'E_POLICY'

const EXIT_OF: Record<ErrorCode, number> = {
  E_USAGE: EXIT.usage,
  E_FILTER: EXIT.usage,
  E_NO_SUCH_SESSION: EXIT.usage,
  E_NO_SUCH_RULE: EXIT.usage,
  E_INPUT_OPEN: EXIT.input,
  E_INPUT_UNRECOGNISED: EXIT.input,
  E_OUTPUT: EXIT.input,
  E_PROXY_LISTEN: EXIT.usage,
  E_POLICY: EXIT.usage,
}

/** An error that the user can act on: shown as its message and hint, without a stack. */
export class MysqlconnError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'MysqlconnError'
    this.code = code
    this.hint = hint
  }

  get exitCode(): number {
    return EXIT_OF[this.code]
  }
}
