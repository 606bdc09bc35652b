/** `rules list`, `rules show ID` and `explain CODE`: what a rule sees and cannot tell, what an error number means. */
import type { RuleFamily, RuleMeta } from '../detect/rule.ts'
import type { Knowledge } from './knowledge.ts'
import type { Style } from './style.ts'
import { count } from './words.ts'
import { hang, padEnd } from './wrap.ts'

const LABEL = 14
/** In the order of the question: was it cut, by a timer, by TLS, by state; then logins, network, protocol. */
const FAMILIES: readonly RuleFamily[] = ['cut', 'idle', 'tls', 'state', 'handshake', 'network', 'protocol']

export function* renderRulesList(rules: readonly RuleMeta[], style: Style): Iterable<string> {
  const column = Math.max(...rules.map((r) => r.id.length))
  for (const family of FAMILIES) {
    const members = rules.filter((r) => r.family === family).sort((a, b) => (a.id < b.id ? -1 : 1))
    if (members.length === 0) continue
    yield ''
    yield `  ${style.bold(family)}`
    for (const r of members) {
      const head = `    ${padEnd(r.id, column)}  ${padEnd(r.severity, 7)}  `
      for (const line of hang(head, style.clean(r.title), style.width)) yield style.line(line)
    }
  }
  yield ''
  yield style.line(`  ${count(rules.length, 'rule')}. ${style.dim('Next:')} mysqlconn rules show ID`)
}

export function* renderRule(rule: RuleMeta, style: Style): Iterable<string> {
  for (const line of ruleLines(rule, style)) yield style.line(line)
}

function* ruleLines(rule: RuleMeta, style: Style): Iterable<string> {
  yield ''
  yield* hang('  ', rule.title, style.width, style.bold)
  yield `  ${rule.id} ${style.glyph.dot} family ${rule.family} ${style.glyph.dot} ${rule.severity}`
  yield ''
  yield* row(style, 'sees', [rule.what])
  yield* row(style, 'why it matters', [rule.why])
  yield* row(
    style,
    'fix',
    rule.fix.map((f) => (f.config === '' ? f.text : `${f.text}: ${f.config}`)),
  )
  yield* row(style, 'cannot tell', [rule.cannotTell])
  yield* row(style, 'stays quiet on', rule.quiet)
  yield* row(style, 'needs', [`${rule.needs.join(', ')} visible in the capture`])
  yield* row(
    style,
    'detail',
    Object.entries(rule.detail).map(([key, says]) => `${key}: ${says}`),
  )
  yield* row(
    style,
    'read',
    rule.references.map((r) => `${r.title} ${r.url}`),
  )
}

export function* renderKnowledge(
  found: readonly Knowledge[],
  rules: readonly RuleMeta[],
  style: Style,
): Iterable<string> {
  for (const k of found) for (const line of knowledgeLines(k, rules, style)) yield style.line(line)
}

function* knowledgeLines(k: Knowledge, rules: readonly RuleMeta[], style: Style): Iterable<string> {
  yield ''
  yield* hang('  ', k.text, style.width, style.bold)
  yield* hang(
    '  ',
    `${k.key === `HAProxy:${k.symbol}` ? k.symbol : `${k.key} ${k.symbol}`} ${style.glyph.dot} ${k.source}`,
    style.width,
  )
  yield ''
  yield* row(style, 'means', [k.means])
  yield* row(style, 'look at', [k.next])
  // Rules of the contract that this version does not have yet are not offered.
  const known = k.rules.filter((id) => rules.some((r) => r.id === id))
  yield* row(
    style,
    'rules',
    known.map((id) => `mysqlconn rules show ${id}`),
  )
}

/** A label, then one item a line, each wrapped under itself. */
export function* row(style: Style, label: string, items: readonly string[]): Iterable<string> {
  for (let i = 0; i < items.length; i++) {
    const lines = hang(`  ${padEnd(i === 0 ? label : '', LABEL)}  `, style.clean(items[i]!), style.width)
    if (i === 0) lines[0] = lines[0]!.replace(label, style.dim(label))
    yield* lines
  }
}
