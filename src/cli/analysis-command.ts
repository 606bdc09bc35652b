/** The way of every command that analyses: flags, analysis with progress and Ctrl-C, output, exit code. */
import { MysqlconnError } from '../core/errors.ts'
import type { AnalyzeOptions } from '../options.ts'
import { parseFilter } from '../report/filter.ts'
import { FORMATS, type Format, formatById, formatIds, formatOfFile } from '../report/formats.ts'
import type { Report, Severity } from '../report/model.ts'
import { redactReport } from '../report/redact.ts'
import { selectSessions } from '../report/select.ts'
import { makeStyle, type Style } from '../report/style.ts'
import { BaseCommand } from './base-command.ts'
import { exitCode } from './exit-code.ts'
import { type AnalysisFlags, analyzeOptions } from './flags.ts'
import { Interrupt } from './interrupt.ts'
import { writeFileAtomically } from './output.ts'
import { ProgressLine } from './progress.ts'

export type Analyze = (inputs: readonly string[], options: AnalyzeOptions) => Promise<Report>

export interface Presentation {
  /** What this command shows of the report. */
  narrow?: (report: Report) => Report
  /** Its own text in place of the first screen of analyze. */
  text?: (report: Report, style: Style) => Iterable<string>
  /** What the command itself concludes, after the output: its exit code, or null. Graver codes win. */
  verdict?: (report: Report) => Promise<{ code: number; why: string } | null>
  /** Silences and ladders are wanted whatever the formats. */
  extras?: boolean
  /** Options beyond the flags. */
  options?: AnalyzeOptions
}

export abstract class AnalysisCommand extends BaseCommand {
  protected async analyseAndPrint(
    analyze: Analyze,
    inputs: readonly string[],
    flags: AnalysisFlags,
    show: Presentation = {},
  ): Promise<void> {
    // Everything that can be wrong with the flags is said before hours of reading.
    const filter = flags.filter === undefined ? null : parseFilter(flags.filter)
    const files = (flags.output ?? []).map((path) => ({ path, format: formatFor(path) }))
    const wanted = [formatById(flags.format ?? 'text')!, ...files.map((f) => f.format)]
    const extras = show.extras || wanted.some((f) => f.extras) ? { idle: true, ladders: true } : {}
    const options = { ...analyzeOptions(flags), ...extras, ...show.options, version: this.config.version }

    const interrupt = new Interrupt()
    const progress = new ProgressLine()
    try {
      let report: Report
      try {
        report = await analyze(inputs, { ...options, signal: interrupt, onProgress: (p) => progress.update(p) })
      } finally {
        progress.clear()
      }
      if (filter !== null) report = selectSessions(report, filter)
      if (show.narrow !== undefined) report = show.narrow(report)

      const text =
        show.text ?? ((r: Report, s: Style) => formatById('text')!.render(r, s, { explain: flags.explain === true }))
      const asked = { idle: show.options?.idle === true, redact: flags.redact }
      const lines = (format: Format, style: Style): Iterable<string> =>
        (format.id === 'text' ? text : format.render)(reportFor(format, report, asked), style)
      const printed = lines(wanted[0]!, this.styleOf(flags.color))
      await (wanted[0]!.id === 'text' ? this.printPaged(printed) : this.print(printed))
      for (const { path, format } of files) await writeFileAtomically(path, lines(format, FILE_STYLE))

      const request = {
        failOn: flags['fail-on'] as Severity | undefined,
        strict: flags.strict,
        interrupted: interrupt.aborted,
      }
      const own = (await show.verdict?.(report)) ?? { code: 0, why: '' }
      const general = exitCode(report, request)
      const { code, why } = general.code === 0 ? own : general
      if (code === 0) return
      this.say(why)
      this.exit(code)
    } finally {
      interrupt.dispose()
    }
  }
}

/** What a format shows of the report: extras only where they belong, no literals in what is made to be passed on. */
function reportFor(format: Format, report: Report, asked: { idle: boolean; redact: boolean | undefined }): Report {
  const shown = format.redacts && asked.redact === undefined ? redactReport(report) : report
  if (format.extras) return shown
  const { ladders: _, idle, ...rest } = shown
  return asked.idle && idle !== undefined ? { ...rest, idle } : rest
}

/** Files get no colour and full Unicode, whatever the terminal. */
const FILE_STYLE = makeStyle({ color: 'never', env: { LC_ALL: 'C.UTF-8' } })

function formatFor(path: string): Format {
  const format = formatOfFile(path)
  if (format !== undefined) return format
  const endings = FORMATS.map((f) => `.${f.extensions[0]}`).join(', ')
  throw new MysqlconnError(
    'E_USAGE',
    `-o ${path}: its ending names no format`,
    `endings: ${endings} (formats: ${formatIds().join(', ')})`,
  )
}
