/** Flags and arguments of the commands that analyse (contract.md section 1), and what they become. */
import { Args, Flags } from '@oclif/core'
import { MysqlconnError } from '../core/errors.ts'
import type { AnalyzeOptions } from '../options.ts'
import { FILTER_FIELDS } from '../report/filter-fields.ts'
import { FORMATS, formatIds } from '../report/formats.ts'
import type { Severity } from '../report/model.ts'
import { SEVERITIES } from './exit-code.ts'

export const INPUTS = Args.string({
  description: 'captures (pcap, pcapng), logs, also as .gz and .zst; folders of them, globs; - is stdin',
  required: true,
  multiple: true,
  // stdin is read when - asks for it, never because an argument is missing.
  ignoreStdin: true,
})

/** What is read and which sessions count. */
export const SELECT_FLAGS = {
  port: Flags.string({
    summary: 'Server ports to take as MySQL. Without it MySQL is recognised by content on any port.',
    helpValue: 'N,N',
    helpGroup: 'SELECT',
  }),
  since: Flags.string({
    summary: 'Leave out what ended before: RFC 3339, 17:10:00 (UTC, on the first day of the capture) or Unix seconds.',
    helpValue: 'TIME',
    helpGroup: 'SELECT',
  }),
  until: Flags.string({
    summary: 'Leave out what began at this time or later.',
    helpValue: 'TIME',
    helpGroup: 'SELECT',
  }),
  filter: Flags.string({
    summary: 'Only sessions for which this holds: user == app and silence > 5m.',
    description: filterHelp(),
    helpValue: 'EXPR',
    helpGroup: 'SELECT',
  }),
  rule: Flags.string({
    summary: 'Run these rules only: mysqlconn rules list.',
    helpValue: 'ID,ID',
    helpGroup: 'SELECT',
  }),
  'min-severity': Flags.string({
    summary: 'Leave out findings below it.',
    options: [...SEVERITIES],
    helpValue: 'error|warning|info',
    helpGroup: 'SELECT',
  }),
  role: Flags.string({
    summary:
      'What a host is, by IP address, or by input name for the host that was captured on. May be given more than once.',
    helpValue: 'NAME=client|proxy|server',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'SELECT',
  }),
  'clock-offset': Flags.string({
    summary:
      'Seconds by which the clock of an input is ahead (+) or behind (-). Without it the offset of captures is estimated from connections that they share.',
    helpValue: 'NAME=±SECONDS',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'SELECT',
  }),
  tz: Flags.string({
    summary:
      'Zone of log times that bear none: +08:00, UTC, Asia/Shanghai; for one log NAME=ZONE. Without it UTC, or what a syslog header before the line shows.',
    helpValue: '[NAME=]ZONE',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'SELECT',
  }),
  config: Flags.string({
    summary:
      'Configuration whose timers are compared with those observed: haproxy.cfg, proxysql.cnf, my.cnf, mysqlrouter.conf, maxscale.cnf, properties or YAML of pools. May be given more than once.',
    helpValue: 'FILE',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'SELECT',
  }),
  keylog: Flags.string({
    summary:
      'TLS key log in the NSS format (SSLKEYLOGFILE): TLS is decrypted with it. One among the inputs is recognised too.',
    helpValue: 'FILE',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'SELECT',
  }),
  'rsa-key': Flags.string({
    summary: "The server's RSA private key: opens TLS 1.2 sessions with RSA key exchange. PEM or DER, no passphrase.",
    helpValue: 'FILE',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'SELECT',
  }),
}

/** What is printed and where. */
export const OUTPUT_FLAGS = {
  format: Flags.string({
    summary: `What to print: ${FORMATS.map((f) => `${f.id} (${f.says})`).join(', ')}.`,
    options: formatIds(),
    default: 'text',
    helpValue: formatIds().join('|'),
    helpGroup: 'OUTPUT',
  }),
  output: Flags.string({
    char: 'o',
    summary: 'Write the report to a file as well, in the format of its ending. May be given more than once.',
    helpValue: 'FILE',
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: 'OUTPUT',
  }),
  redact: Flags.boolean({
    summary: `Replace the literals of SQL statements with ?. By default only in ${FORMATS.filter((f) => f.redacts)
      .map((f) => f.id)
      .join(', ')}.`,
    allowNo: true,
    helpGroup: 'OUTPUT',
  }),
  around: Flags.string({
    summary:
      'The seconds around a finding from every source, frames and log lines on one clock, in place of the report.',
    helpValue: 'FINDING|RULE',
    helpGroup: 'OUTPUT',
  }),
  explain: Flags.boolean({
    summary: 'Long text: every piece of evidence, every remedy, what to read.',
    helpGroup: 'OUTPUT',
  }),
}

/** What the exit code says. */
export const EXIT_FLAGS = {
  'fail-on': Flags.string({
    summary: 'Exit with 1 when there is a finding of this severity or a graver one.',
    options: [...SEVERITIES],
    helpValue: 'error|warning|info',
    helpGroup: 'EXIT CODE',
  }),
  strict: Flags.boolean({
    summary: 'Exit with 3 when the capture is incomplete: damaged, cut, lossy, one-sided.',
    helpGroup: 'EXIT CODE',
  }),
}

export const ANALYSIS_FLAGS = { ...SELECT_FLAGS, ...OUTPUT_FLAGS, ...EXIT_FLAGS }

/** The flags of any analysing command as parsed; those that a command does not have are absent. */
export interface AnalysisFlags {
  port?: string | undefined
  since?: string | undefined
  until?: string | undefined
  filter?: string | undefined
  rule?: string | undefined
  'min-severity'?: string | undefined
  role?: string[] | undefined
  'clock-offset'?: string[] | undefined
  tz?: string[] | undefined
  config?: string[] | undefined
  keylog?: string[] | undefined
  'rsa-key'?: string[] | undefined
  redact?: boolean | undefined
  strict?: boolean | undefined
  'fail-on'?: string | undefined
  output?: string[] | undefined
  format?: string | undefined
  explain?: boolean | undefined
  around?: string | undefined
  color?: string | undefined
}

/** Flags as options of the library. Throws MysqlconnError E_USAGE. */
export function analyzeOptions(flags: AnalysisFlags): AnalyzeOptions {
  const options: AnalyzeOptions = {}
  if (flags.port !== undefined) options.ports = ports(flags.port)
  if (flags.since !== undefined) options.since = flags.since
  if (flags.until !== undefined) options.until = flags.until
  if (flags.rule !== undefined) options.rules = listOf(flags.rule)
  if (flags['min-severity'] !== undefined) options.minSeverity = flags['min-severity'] as Severity
  if (flags.role !== undefined) options.roles = Object.fromEntries(flags.role.map(role))
  if (flags['clock-offset'] !== undefined)
    options.clockOffsets = Object.fromEntries(flags['clock-offset'].map(clockOffset))
  if (flags.keylog !== undefined) options.keylogs = flags.keylog
  if (flags['rsa-key'] !== undefined) options.rsaKeys = flags['rsa-key']
  if (flags.tz !== undefined) options.timeZones = flags.tz
  if (flags.around !== undefined) options.around = flags.around
  if (flags.config !== undefined) options.configs = flags.config
  if (flags.strict) options.strict = true
  if (flags.redact) options.redact = true
  return options
}

const ROLES = ['client', 'proxy', 'server'] as const

function role(text: string): [string, (typeof ROLES)[number]] {
  const at = text.lastIndexOf('=')
  const named = ROLES.find((r) => r === text.slice(at + 1))
  if (at < 1 || named === undefined)
    throw new MysqlconnError(
      'E_USAGE',
      `--role: cannot read '${text}'`,
      `write it as 10.0.0.5=proxy; roles are ${ROLES.join(', ')}`,
    )
  return [text.slice(0, at).replace(/^\[(.*)\]$/, '$1'), named]
}

function clockOffset(text: string): [string, number] {
  const at = text.lastIndexOf('=')
  const seconds = text.slice(at + 1)
  if (at < 1 || !/^[+-]?\d+(\.\d+)?s?$/.test(seconds))
    throw new MysqlconnError(
      'E_USAGE',
      `--clock-offset: cannot read '${text}'`,
      'write it as client.pcap=+1.8, in seconds',
    )
  return [text.slice(0, at), Number(seconds.replace(/s$/, ''))]
}

/** The language in a few lines, from the table of its fields. */
function filterHelp(): string {
  const fields = Object.entries(FILTER_FIELDS).map(
    ([name, f]) => `${name}: ${f.says}${f.type === 'duration' ? ' (5m, 300s, 250ms)' : ''}`,
  )
  return [
    'FIELD OP VALUE, joined by and, or, not and parentheses.',
    'OP is == != < <= > >= or ~ (regular expression, without regard to case). Values with spaces or signs stand in quotes.',
    ...fields,
  ].join('\n')
}

const listOf = (text: string): string[] =>
  text
    .split(',')
    .map((w) => w.trim())
    .filter((w) => w !== '')

function ports(text: string): number[] {
  return listOf(text).map((word) => {
    const port = /^\d{1,5}$/.test(word) ? Number(word) : 0
    if (port < 1 || port > 65_535) {
      throw new MysqlconnError(
        'E_USAGE',
        `--port: '${word}' is no port`,
        'ports are numbers from 1 to 65535, with commas between: --port 3306,6033',
      )
    }
    return port
  })
}
