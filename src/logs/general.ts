/**
 * Entries of any application: facts by the usual names of keys, and by the words of drivers. Names that a log gives its connections
 * (`conn 7`, `master`) are remembered with what their first line told, for the later lines that give the name only.
 */
import { connectionFacts, jsonHead, pairsOf, pairsOfJson } from './app-facts.ts'
import { readAppLine } from './app-line.ts'
import { driverError } from './driver-texts.ts'
import { object } from './envelope.ts'
import type { Draft, Entry, EntryReader } from './format.ts'

/** Words without which an entry says nothing of connections. */
const ABOUT =
  /onn|pool|sql|SQL|Sql|ari[aA]|acket|roxy|local|Operational|Interface|ER_|TLS|ping|closed|tcp |gone|EPIPE|ECONN/
/** Connections whose names are remembered; the oldest are forgotten. */
const REMEMBERED = 10_000

type Known = Pick<Draft, 'connectionId' | 'client' | 'server' | 'role' | 'product'>

export class GeneralReader implements EntryReader {
  private readonly named = new Map<string, Known>()
  /** What each borrower holds, from checkout to checkin. */
  private readonly borrowed = new Map<string, Known>()

  dull(line: string): boolean {
    return !ABOUT.test(line)
  }

  read({ text, first }: Entry): Draft | null {
    const json = object(first)
    if (json !== null) return this.readJson(json)
    const { stamp, level, rest } = readAppLine(first)
    const draft = joined(connectionFacts(pairsOf(rest), rest), driverError(text), undefined)
    return draft === null ? null : this.remembered({ stamp, level, ...draft })
  }

  private readJson(json: Record<string, unknown>): Draft | null {
    const pairs = pairsOfJson(json)
    const { stamp, level, message } = jsonHead(pairs)
    const words = [message, ...['err', 'error', 'stack', 'code', 'exception'].map((key) => pairs.get(key))]
    const error = driverError(words.filter((w) => w !== undefined).join('\n'))
    const draft = joined(connectionFacts(pairs, message), error, pairs.get('err'))
    return draft === null ? null : this.remembered({ stamp, level, ...draft })
  }

  /** Fills in what an earlier line told of the connection of this name. An event that names no connection at all stands for itself. */
  private remembered(draft: Draft): Draft | null {
    const borrower = draft.borrower
    const name = draft.poolConnection
    if (draft.connectionId != null || draft.client != null) {
      const before = name == null ? undefined : this.named.get(name)
      if (before !== undefined && before.connectionId === draft.connectionId) draft.server ??= before.server ?? null
      const { connectionId = null, client = null, server = null, role, product } = draft
      const known: Known = { connectionId, client, server }
      if (role !== undefined) Object.assign(known, { role, product })
      if (name != null) remember(this.named, name, known)
      if (borrower != null && draft.what === 'checkout') remember(this.borrowed, borrower, known)
      if (borrower != null && draft.what === 'checkin') this.borrowed.delete(borrower)
      return draft
    }
    const held = borrower == null ? undefined : this.borrowed.get(borrower)
    if (held !== undefined) return { ...draft, ...held }
    if (name == null) return draft.what === 'statement' ? null : draft
    const known = this.named.get(name)
    // A word that is no name of a connection: the line speaks of something else.
    if (known === undefined) return draft.code != null || draft.level === 'error' ? draft : null
    if (draft.what === 'closed') this.named.delete(name)
    const facts = { ...known }
    if (facts.product !== undefined && draft.product !== undefined) delete facts.product
    // The proxy's own word for breaking a connection off.
    const by =
      facts.role === 'proxy' && draft.what === 'closed' && draft.reason === 'reset'
        ? { closedBy: 'proxy' as const }
        : {}
    return { ...draft, ...facts, ...by }
  }
}

function remember(names: Map<string, Known>, name: string, known: Known): void {
  names.delete(name)
  names.set(name, known)
  if (names.size > REMEMBERED) names.delete(names.keys().next().value!)
}

/** One event of what the keys and what the driver's words say: the driver knows better what happened, the keys to whom. */
function joined(facts: Draft | null, error: Draft | null, number: string | number | undefined): Draft | null {
  if (facts === null || error === null) return facts ?? error
  const out: Record<string, unknown> = { ...facts }
  for (const [key, v] of Object.entries(error)) if (v !== null && v !== undefined) out[key] = v
  if (typeof number === 'number' && number >= 1000) out['code'] = number
  // Opening failed, whatever the driver calls it: "connect failed", "open failed".
  if (facts.what === 'connect-failed' && error.what === 'broken') out['what'] = 'connect-failed'
  if (facts.what === 'retried' || facts.what === 'validation-failed') out['what'] = facts.what
  out['connectionId'] = facts.connectionId ?? error.connectionId ?? null
  out['client'] = facts.client ?? error.client ?? null
  out['fields'] = { ...facts.fields, ...error.fields }
  return out as unknown as Draft
}
