/** The output formats. To add one: write its renderer and a row here; flags, file endings and docs come from the table. */
import type { FindingTextOptions } from './finding-text.ts'
import { renderJson } from './json.ts'
import type { Report } from './model.ts'
import { renderNdjson } from './ndjson.ts'
import type { Style } from './style.ts'
import { renderText } from './text.ts'

export interface Format {
  id: string
  /** Endings of file names that choose it for -o, without the dot. */
  extensions: readonly string[]
  says: string
  /** Lines without their line ends. */
  render: (report: Report, style: Style, options?: FindingTextOptions) => Iterable<string>
}

export const FORMATS: readonly Format[] = [
  { id: 'text', extensions: ['txt', 'text'], says: 'for people, in a terminal', render: renderText },
  { id: 'json', extensions: ['json'], says: 'one document, stable: mysqlconn schema', render: renderJson },
  { id: 'ndjson', extensions: ['ndjson', 'jsonl'], says: 'one object a line, each with a type', render: renderNdjson },
]

export const formatIds = (): string[] => FORMATS.map((f) => f.id)

export const formatById = (id: string): Format | undefined => FORMATS.find((f) => f.id === id)

/** The format for a file name, by its ending. */
export function formatOfFile(path: string): Format | undefined {
  const ending = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase()
  return FORMATS.find((f) => f.extensions.includes(ending ?? ''))
}
