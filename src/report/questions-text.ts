/** A question's page in a terminal: the answer, how to find out, the rules, and a worked example. */
import type { RuleMeta } from '../detect/rule.ts'
import type { Question } from './questions.ts'
import { row } from './rules-text.ts'
import type { Style } from './style.ts'
import { hang } from './wrap.ts'

/** `full`: the page; otherwise one line that leads to it. */
export function* renderQuestions(
  questions: readonly Question[],
  rules: readonly RuleMeta[],
  style: Style,
  full: boolean,
): Iterable<string> {
  for (const q of questions) for (const line of full ? page(q, rules, style) : pointer(q, style)) yield style.line(line)
}

function* page(q: Question, rules: readonly RuleMeta[], style: Style): Iterable<string> {
  yield ''
  yield* hang('  ', style.clean(q.asks), style.width, style.bold)
  yield `  question ${q.id}`
  yield ''
  yield* row(style, 'comes as', q.messages)
  for (const [i, text] of q.answer.entries()) yield* row(style, i === 0 ? 'answer' : '', [text])
  yield* row(style, 'find out', q.find)
  // Rules of the contract that this version does not have yet are not offered.
  const known = q.rules.map((id) => rules.find((r) => r.id === id)).filter((r) => r !== undefined)
  yield* row(
    style,
    'rules',
    known.map((r) => `${r.id}: ${r.title}`),
  )
  const example = known[0]
  if (example === undefined) return
  yield* row(style, 'example', [`samples/${example.sample}: mysqlconn analyze samples/${example.sample}/capture.pcap`])
}

function* pointer(q: Question, style: Style): Iterable<string> {
  yield* hang(`  ${style.glyph.info} `, style.clean(`${q.asks}  mysqlconn explain ${q.id}`), style.width)
}
