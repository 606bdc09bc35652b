/** The baseline: findings that somebody answers for, each with a reason, an owner and a last day. */
import { parseDocument } from 'yaml'
import { MysqlconnError } from '../core/errors.ts'
import type { BaselineEntry, Finding } from '../report/model.ts'
import { YamlFile } from './yaml.ts'

const KEYS = ['id', 'reason', 'owner', 'expires', 'title']

/** Throws MysqlconnError E_POLICY with the line of what is wrong. */
export function parseBaseline(path: string, text: string): BaselineEntry[] {
  const root = new YamlFile(path, text).root
  const entries: BaselineEntry[] = []
  for (const [key, value] of root.entries(['version', 'entries'])) {
    if (key === 'version') {
      if (value.wholeNumber() !== 1) throw value.error('is not 1, the only version that this program reads')
      continue
    }
    for (const item of value.list()) {
      const fields = new Map(item.entries(KEYS))
      const field = (name: string): string => {
        const text = fields.get(name)?.string().trim() ?? ''
        if (text === '') throw item.error(`has no ${name}: every entry needs id, reason, owner and expires`)
        return text
      }
      const entry = { id: field('id'), reason: field('reason'), owner: field('owner'), expires: field('expires') }
      if (!isDay(entry.expires)) throw fields.get('expires')!.error('is no day: write it as 2027-01-31')
      if (entries.some((e) => e.id === entry.id)) throw item.error(`names ${entry.id} a second time`)
      entries.push(entry)
    }
  }
  return entries
}

export function isDay(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false
  const ms = Date.parse(`${text}T00:00:00Z`)
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)
}

export interface NewEntries {
  reason: string | undefined
  owner: string | undefined
  expires: string | undefined
}

/**
 * The baseline's text with an entry for each finding and without those that none met; what stands there otherwise, comments too,
 * stays. Throws MysqlconnError E_USAGE when a new entry lacks reason, owner or day.
 */
export function updateBaseline(text: string, findings: readonly Finding[], fields: NewEntries): string {
  const doc = parseDocument(text.trim() === '' ? 'version: 1\nentries: []\n' : text)
  if (!doc.has('version')) doc.set('version', 1)
  const old = (doc.toJS() as { entries?: BaselineEntry[] | null }).entries ?? []
  const wanted = new Set(findings.map((f) => f.id))
  for (let i = old.length - 1; i >= 0; i--) if (!wanted.has(old[i]!.id)) doc.deleteIn(['entries', i])
  const added = findings.filter((f) => !old.some((e) => e.id === f.id))
  if (added.length > 0) {
    const { reason, owner, expires } = fields
    if (!reason || !owner || expires === undefined || !isDay(expires)) {
      throw new MysqlconnError(
        'E_USAGE',
        `--update-baseline: ${added.length === 1 ? 'a new entry needs' : `${added.length} new entries need`} a reason, an owner and a last day`,
        "--reason 'known, ticket 123' --owner dba --expires 2027-01-31",
      )
    }
    const entries = added
      .map((f) => ({ id: f.id, title: f.title, reason, owner, expires }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
    if (old.length === 0) doc.set('entries', doc.createNode(entries))
    else for (const e of entries) doc.addIn(['entries'], doc.createNode(e))
  }
  return doc.toString({ lineWidth: 0 })
}
