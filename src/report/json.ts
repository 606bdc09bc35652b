/** The report as one JSON document, written piece by piece: thousands of sessions never become one string. */
import type { Report } from './model.ts'

/** Lines without their line ends. The document is indented to be read by people as well. */
export function* renderJson(report: Report): Iterable<string> {
  const keys = (Object.keys(report) as (keyof Report)[]).filter((k) => report[k] !== undefined)
  yield '{'
  for (let k = 0; k < keys.length; k++) {
    const key = keys[k]!
    const value = report[key]
    const comma = k < keys.length - 1 ? ',' : ''
    if (!Array.isArray(value) || value.length === 0) {
      yield `  ${JSON.stringify(key)}: ${indented(value, 2)}${comma}`
      continue
    }
    yield `  ${JSON.stringify(key)}: [`
    for (let i = 0; i < value.length; i++) {
      yield `    ${indented(value[i], 4)}${i < value.length - 1 ? ',' : ''}`
    }
    yield `  ]${comma}`
  }
  yield '}'
}

function indented(value: unknown, spaces: number): string {
  return JSON.stringify(value, null, 2).replaceAll('\n', `\n${' '.repeat(spaces)}`)
}
