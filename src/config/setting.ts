/** One setting of a configuration file (--config): who has it, where it stands, what it means in seconds. Facts only. */

export interface Setting {
  file: string
  /** From 1. Of an inherited setting the line that it comes from. */
  line: number
  product: string
  /** Section, proxy, group or key prefix: 'defaults', 'backend mysql_back', 'mysqld', 'spring.datasource.hikari'. */
  scope: string
  /** As the product's manual writes it. */
  name: string
  /** As written; passwords are masked. */
  value: string
  /** Of durations, in the unit that the product reads them in; null for all else, and for what cannot be read. */
  seconds: number | null
}

/** Notes a line that could not be read, or something left out. */
export type Note = (line: number, why: 'unreadable' | 'include') => void

export interface ConfigFormat {
  id: string
  title: string
  /** Of the lines that are neither blank nor comments, how many are this format's own. */
  score(lines: readonly string[]): number
  read(file: string, lines: readonly string[], note: Note): Setting[]
}

/** Units as HAProxy, MaxScale and Spring write them, in seconds. */
const UNITS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, m: 60, min: 60, h: 3600, d: 86_400 }

/** `10s`, `1500`, `8h` in seconds; a bare number is in `unit` (in seconds). Null when it is no duration. */
export function seconds(text: string, unit: number): number | null {
  const m = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text.trim())
  if (m === null) return null
  const by = m[2] === '' ? unit : UNITS[m[2]!.toLowerCase()]
  if (by === undefined) return null
  return Math.round(Number(m[1]) * by * 1e6) / 1e6
}

/** The value, masked where the name says that it is a credential. */
export const masked = (name: string, value: string): string =>
  /pass(?:word|wd|phrase)?$|pwd$|secret|credential|token|_key$/i.test(name) ? '***' : value
