/** The ladder of one session (contract.md section 1). */
import { basename } from 'node:path'
import { Args, Flags } from '@oclif/core'
import { AnalysisCommand } from '../../src/cli/analysis-command.ts'
import { INPUTS, OUTPUT_FLAGS, SELECT_FLAGS } from '../../src/cli/flags.ts'
import { analyze, MysqlconnError } from '../../src/index.ts'
import { renderLadder } from '../../src/report/ladder.ts'

export default class SessionsShow extends AnalysisCommand {
  static override summary = 'The ladder of one session: event by event, frame by frame, with the silences between.'
  static override description = 'ID as `sessions` prints it. With one capture its tcp.stream number alone will do.'
  static override examples = [
    '<%= config.bin %> sessions show capture.pcap:12 capture.pcap',
    '<%= config.bin %> sessions show 12 capture.pcap',
    '<%= config.bin %> sessions show 12 capture.pcap --format ndjson',
  ]
  static override args = {
    id: Args.string({ description: 'session id, or its tcp.stream number', required: true, ignoreStdin: true }),
    input: INPUTS,
  }
  static override flags = {
    port: SELECT_FLAGS.port,
    keylog: SELECT_FLAGS.keylog,
    'rsa-key': SELECT_FLAGS['rsa-key'],
    'clock-offset': SELECT_FLAGS['clock-offset'],
    tz: SELECT_FLAGS.tz,
    redact: OUTPUT_FLAGS.redact,
    output: OUTPUT_FLAGS.output,
    format: Flags.string({
      summary: 'What to print.',
      options: ['text', 'json', 'ndjson'],
      default: 'text',
      helpValue: 'text|json|ndjson',
      helpGroup: 'OUTPUT',
    }),
  }

  async run(): Promise<void> {
    const { args, flags } = await this.parse(SessionsShow)
    const id = sessionId(args.id, args.input)
    await this.analyseAndPrint(analyze, args.input, flags, {
      options: { trace: id },
      text: renderLadder,
      narrow: (report) => {
        if (report.trace === undefined && !report.partial) {
          const example = report.sessions[0]?.id
          const hint = `mysqlconn sessions ${args.input.join(' ')}${example === undefined ? '' : `   (ids look like ${example})`}`
          throw new MysqlconnError('E_NO_SUCH_SESSION', `there is no session ${id}`, hint)
        }
        const findings = report.findings.filter((f) => f.occurrences.some((o) => o.session === id))
        return { ...report, sessions: report.sessions.filter((s) => s.id === id), findings }
      },
    })
  }
}

/** A bare stream number belongs to the only input. */
function sessionId(asked: string, inputs: readonly string[]): string {
  if (!/^\d+$/.test(asked)) return asked
  if (inputs.length > 1) {
    throw new MysqlconnError(
      'E_USAGE',
      `${asked} could be in any of ${inputs.length} inputs`,
      `write it as ${basename(inputs[0]!)}:${asked}`,
    )
  }
  return `${inputs[0] === '-' ? 'stdin' : basename(inputs[0]!)}:${asked}`
}
