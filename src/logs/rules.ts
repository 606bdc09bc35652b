/** Formats of many texts, as tables: a part that is always there, looked for first, and the expression that takes the facts. */
import { readAppLine } from './app-line.ts'
import { driverError } from './driver-texts.ts'
import type { Draft, Entry, EntryReader } from './format.ts'
import { GeneralReader } from './general.ts'

export interface MessageRule {
  has: string
  re: RegExp
  draft(m: RegExpExecArray): Draft | null
}

/** What the first rule that fits makes of the text. */
export function byRules(rules: readonly MessageRule[], text: string): Draft | null {
  for (const rule of rules) {
    if (!text.includes(rule.has)) continue
    const m = rule.re.exec(text)
    const draft = m === null ? null : rule.draft(m)
    if (draft !== null) return draft
  }
  return null
}

/**
 * Reads a pool's entries in an application's log: the pool's own words by `rules`, and what the driver says in the exception below them,
 * which names the cause. An entry with other words is read as any application's.
 */
export class PoolReader implements EntryReader {
  private readonly rules: readonly MessageRule[]
  private readonly general = new GeneralReader()

  constructor(rules: readonly MessageRule[]) {
    this.rules = rules
  }

  read(entry: Entry): Draft | null {
    const { text, first } = entry
    const { stamp, level, rest } = readAppLine(first)
    const below = text.slice(first.length)
    const draft = byRules(this.rules, rest) ?? byRules(this.rules, rest + below)
    if (draft === null) return this.general.read(entry)
    return { stamp, level, ...withCause(draft, below === '' ? null : driverError(below)) }
  }
}

/** The pool's facts, filled up with the driver's. */
export function withCause(draft: Draft, cause: Draft | null): Draft {
  if (cause === null) return draft
  const out: Record<string, unknown> = { ...cause, product: undefined }
  for (const [key, v] of Object.entries(draft)) if (v !== null && v !== undefined) out[key] = v
  if (out['product'] === undefined) delete out['product']
  out['fields'] = {
    ...(cause.product === undefined ? {} : { driver: cause.product }),
    ...cause.fields,
    ...draft.fields,
  }
  return out as unknown as Draft
}

/** A number where the text is one. */
export const settingValue = (text: string): string | number =>
  /^-?\d{1,15}$/.test(text.trim()) ? Number(text) : text.trim().replace(/^"(.*)"$/, '$1')
