/** The output formats. To add one: write its renderer and a row here; flags, file endings and docs come from the table. */
import type { FindingTextOptions } from './finding-text.ts'
import { renderGithub } from './github.ts'
import { renderGitlab } from './gitlab.ts'
import { renderHtml } from './html/page.ts'
import { renderJson } from './json.ts'
import { renderJunit } from './junit.ts'
import { renderMarkdown } from './markdown.ts'
import type { Report } from './model.ts'
import { renderNdjson } from './ndjson.ts'
import { renderSarif } from './sarif.ts'
import type { Style } from './style.ts'
import { renderText } from './text.ts'

export interface Format {
  id: string
  /** Endings of file names that choose it for -o, without the dot. The longest that fits counts. */
  extensions: readonly string[]
  says: string
  /** Lines without their line ends. */
  render: (report: Report, style: Style, options?: FindingTextOptions) => Iterable<string>
  /** Made to be passed on: literals of SQL are replaced unless --no-redact asks for them. */
  redacts?: boolean
  /** It shows what the report holds only on request: silences and ladders. */
  extras?: boolean
}

export const FORMATS: readonly Format[] = [
  { id: 'text', extensions: ['txt', 'text'], says: 'for people, in a terminal', render: renderText },
  { id: 'json', extensions: ['json'], says: 'one document, stable: mysqlconn schema', render: renderJson },
  { id: 'ndjson', extensions: ['ndjson', 'jsonl'], says: 'one object a line, each with a type', render: renderNdjson },
  {
    id: 'html',
    extensions: ['html', 'htm'],
    says: 'one file to pass on',
    render: renderHtml,
    redacts: true,
    extras: true,
  },
  { id: 'markdown', extensions: ['md', 'markdown'], says: 'for tickets and step summaries', render: renderMarkdown },
  { id: 'sarif', extensions: ['sarif', 'sarif.json'], says: 'SARIF 2.1.0, for code scanning', render: renderSarif },
  { id: 'junit', extensions: ['xml'], says: 'JUnit XML, a test case per rule', render: renderJunit },
  { id: 'github', extensions: ['github'], says: 'GitHub Actions annotations', render: renderGithub },
  { id: 'gitlab', extensions: ['gitlab.json'], says: 'GitLab Code Quality', render: renderGitlab },
]

export const formatIds = (): string[] => FORMATS.map((f) => f.id)

export const formatById = (id: string): Format | undefined => FORMATS.find((f) => f.id === id)

/** The format for a file name, by its ending. */
export function formatOfFile(path: string): Format | undefined {
  const name = path.toLowerCase()
  const fits = FORMATS.flatMap((format) =>
    format.extensions.filter((e) => name.endsWith(`.${e}`)).map((e) => ({ format, length: e.length })),
  )
  return fits.sort((a, b) => b.length - a.length)[0]?.format
}
