/**
 * Front and back legs of one logical session through a proxy. Where the proxy passes the server's handshake through, scramble
 * and connection id, or the TLS client's random, are equal on both. A proxy that greets by itself and shares its server
 * connections ties nothing but statements: the same text within the time in which the front leg waited, and where one leg is
 * encrypted a record of fitting size right behind the statement and its answer before the answer.
 */

import { CLIENT, SERVER } from '../core/direction.ts'
import { append } from '../core/multimap.ts'
import { type Duration, type Instant, NS_PER_MS, NS_PER_SECOND } from '../core/time.ts'
import type { Exchange } from '../session/exchanges.ts'
import type { Session } from '../session/session.ts'
import type { Fleet } from './fleet.ts'
import { otherVantages } from './vantages.ts'

/** A back leg that carried a statement of a front leg. */
export interface Carried {
  back: Session
  /** The statement there. */
  exchange: Exchange
  how: 'text' | 'size'
}

/** Capture points and clocks order packets of two legs no better than this. */
const SLACK: Duration = 0.2 * NS_PER_MS
/** A proxy hands a statement on at once, or when it has found a server connection for it. */
const HANDED_ON: Duration = 5 * NS_PER_SECOND
/** Without text only what follows at once may be the same. */
const AT_ONCE: Duration = 20 * NS_PER_MS
/** A proxy passes a close on within this time. */
const PASSES_ON: Duration = 50 * NS_PER_MS
/** Packet header (manual: Protocol::Packet). */
const HEADER = 4
/** What encryption adds to a packet (RFC 8446 5.2: 17 bytes; RFC 5246 6.2.3: up to 68), and query attributes and the like. */
const LEAST_ADDED = 16
const MOST_ADDED = 76
/** More statements than this in the time in question: nothing would be certain. */
const MOST_LOOKED_AT = 64

interface Entry {
  session: Session
  exchange: Exchange
}

/** Statements by hash, and unreadable ones, each in order of time. */
interface Statements {
  text: Map<number, Entry[]>
  opaque: Entry[]
  all: Entry[]
}

export class Legs {
  private readonly fleet: Fleet
  private readonly byHandshake = new Map<string, Session[]>()
  /** Legs of sessions that a recording proxy numbered. */
  private readonly byNote = new Map<string, Session>()
  private readonly opened = new Map<string, Session[]>()
  private readonly accepted = new Map<string, Session[]>()
  private readonly sentBy = new Map<string, Statements>()
  private readonly takenBy = new Map<string, Statements>()
  private readonly fronts = new Map<Session, Session | null>()
  private readonly backs = new Map<Session, Session | null>()
  private readonly partners = new Map<string, string | null>()

  constructor(fleet: Fleet) {
    this.fleet = fleet
    for (const s of fleet.sessions) {
      for (const key of handshakeKeys(s)) append(this.byHandshake, key, s)
      // Of several attempts to reach the server the last one counts.
      if (s.proxyNote !== null) this.byNote.set(noteKey(s.input, s.proxyNote.session, s.proxyNote.leg), s)
      if (s.mysql === null && s.tls === null) continue
      append(this.opened, s.clientIp, s)
      append(this.accepted, s.serverIp, s)
    }
  }

  /** The leg towards the client, null when there is none or it is not certain which at the moment of the close. */
  front(s: Session): Session | null {
    let leg = this.fronts.get(s)
    if (leg === undefined) {
      leg = this.exact(s, 'front') ?? (this.fleet.clientIsProxy(s) ? this.frontAtClose(s) : null)
      this.fronts.set(s, leg)
    }
    return leg
  }

  /** The leg towards the server, null likewise. */
  back(s: Session): Session | null {
    let leg = this.backs.get(s)
    if (leg === undefined) {
      leg = this.exact(s, 'back') ?? (this.fleet.serverIsProxy(s) ? this.backAtClose(s) : null)
      this.backs.set(s, leg)
    }
    return leg
  }

  /** The one front session whose statements a back leg carried, as far as they are remembered; null when it is any of several. */
  onlyFront(s: Session): Session | null {
    const joined = this.front(s)
    if (joined !== null || !this.fleet.clientIsProxy(s)) return joined
    let only: Session | null = null
    for (const e of s.exchanges.list()) {
      if (e.hash === 0) continue
      const fronts = this.servedBy(s, e)
      if (fronts.length === 0) continue
      if (fronts.length > 1 || (only !== null && only !== fronts[0]!.session)) return null
      only = fronts[0]!.session
    }
    return only
  }

  /** The back legs that carried the statement which a front leg waited for at a moment, in order of time: more than one when the proxy tried again. */
  around(front: Session, at: Instant): readonly Carried[] {
    const exact = this.exact(front, 'back')
    const e = front.exchanges.list().findLast((x) => x.at <= at)
    if (e === undefined || (e.answeredAt >= 0 && e.answeredAt < at)) return []
    const found = this.carriers(front, e, at)
    return exact === null ? found : found.filter((c) => c.back === exact)
  }

  // ---- the handshake is passed through

  private exact(s: Session, which: 'front' | 'back'): Session | null {
    if (s.proxyNote !== null) {
      const key = noteKey(s.input, s.proxyNote.session, which)
      const noted = this.byNote.get(key)
      if (noted !== undefined && s.proxyNote.leg !== which) return noted
    }
    const same: Session[] = []
    for (const key of handshakeKeys(s))
      for (const t of this.byHandshake.get(key) ?? []) if (t !== s && !isSame(t, s, this.fleet)) same.push(t)
    if (same.length === 0) return null
    const hostToHost = same.filter((t) =>
      which === 'front' ? t.serverIp === s.clientIp && before(t, s) : t.clientIp === s.serverIp && before(s, t),
    )
    const legs = hostToHost.length > 0 ? hostToHost : same.filter((t) => this.twoHomed(s, t, which))
    return legs.find((t) => t.input === s.input) ?? legs[0] ?? null
  }

  /** The proxy has an address of its own towards each side: told by the order of the two TCP handshakes. */
  private twoHomed(s: Session, t: Session, which: 'front' | 'back'): boolean {
    const [front, back] = which === 'front' ? [t, s] : [s, t]
    if (front.isns[SERVER] === null || back.isns[CLIENT] === null || front.isns[CLIENT] === back.isns[CLIENT])
      return false
    if (front.clientIp === back.clientIp || front.server === back.server) return false
    return front.synAckAt > 0 && back.startAt >= front.synAckAt
  }

  // ---- the proxy greets by itself

  /** The back leg that carries the front's last statement when the front closes, or that closed together with it. */
  private backAtClose(front: Session): Session | null {
    const close = front.ending.first
    if (close === null) return null
    const e = lastBefore(front, close.at)
    if (e === null) return null
    const carriers = this.carriers(front, e, close.at)
    const one = carriers[0]
    if (one === undefined || carriers.some((c) => c.back !== one.back)) return null
    if (this.servedBy(one.back, one.exchange).some((f) => f.session !== front)) return null
    if (e.answeredAt < 0 || e.answeredAt > close.at) return one.back
    return this.pinned(front, one.back, one.exchange) ? one.back : null
  }

  /** The front leg for which a back leg was working, or which it was bound to, when it closed. */
  private frontAtClose(back: Session): Session | null {
    const close = back.ending.first
    if (close === null) return null
    const e = lastBefore(back, close.at)
    if (e === null) return null
    const fronts = this.servedBy(back, e)
    if (fronts.length !== 1) return null
    const { session, exchange } = fronts[0]!
    if (e.answeredAt < 0 || e.answeredAt > close.at) {
      // Only now: had its client been answered, the statement was tried again elsewhere.
      const alone = this.carriers(session, exchange, close.at).every((c) => c.back === back)
      return alone ? session : null
    }
    return this.pinned(session, back, e) ? session : null
  }

  /** Nothing outstanding, no other statement since, and both closed in one moment: the front held the back. */
  private pinned(front: Session, back: Session, e: Exchange): boolean {
    const there = back.ending.first
    const here = front.ending.first
    if (there === null || here === null || Math.abs(there.at - here.at) > PASSES_ON) return false
    return lastBefore(back, there.at)?.at === e.at
  }

  /** Back legs of the front's proxy on which the statement `e` went out until `until`. */
  private carriers(front: Session, e: Exchange, until: Instant): Carried[] {
    const input = this.partner(front.input, this.opened, front.serverIp)
    if (input === null) return []
    const sent = this.statements(this.sentBy, this.opened, front.serverIp)
    const end = e.answeredAt >= 0 ? Math.min(e.answeredAt, until) : until
    const found: Carried[] = []
    const fits = (entry: Entry, how: Carried['how']): void => {
      if (entry.session.input !== input || entry.session === front) return
      if (answersFit(e, entry.exchange)) found.push({ back: entry.session, exchange: entry.exchange, how })
    }
    if (e.hash !== 0)
      for (const entry of between(sent.text.get(e.hash), e.at - SLACK, Math.min(end, e.at + HANDED_ON) + SLACK))
        fits(entry, 'text')
    const unread = e.hash === 0 ? sent.all : sent.opaque
    for (const entry of between(unread, e.at - SLACK, Math.min(end, e.at + AT_ONCE) + SLACK))
      if (sizesFit(e, entry.exchange)) fits(entry, 'size')
    return found.sort((a, b) => a.exchange.at - b.exchange.at)
  }

  /** Front legs of the back's proxy whose statement `e` of this back leg may have been. */
  private servedBy(back: Session, e: Exchange): Entry[] {
    const input = this.partner(back.input, this.accepted, back.clientIp)
    if (input === null) return []
    const taken = this.statements(this.takenBy, this.accepted, back.clientIp)
    const found: Entry[] = []
    const fits = (entry: Entry): void => {
      if (entry.session.input !== input || entry.session === back) return
      const a = entry.exchange
      if (a.answeredAt >= 0 && a.answeredAt + SLACK < e.at) return
      if (answersFit(a, e)) found.push(entry)
    }
    if (e.hash !== 0) for (const entry of between(taken.text.get(e.hash), e.at - HANDED_ON, e.at + SLACK)) fits(entry)
    const unread = e.hash === 0 ? taken.all : taken.opaque
    for (const entry of between(unread, e.at - AT_ONCE, e.at + SLACK)) if (sizesFit(entry.exchange, e)) fits(entry)
    return found
  }

  /**
   * The capture in which to look for the other legs of a proxy: the same one if it shows any, else the first whose clock is
   * known in relation to it. Null when there is none.
   */
  private partner(input: string, by: ReadonlyMap<string, readonly Session[]>, ip: string): string | null {
    const there = by.get(ip) ?? []
    const key = `${input} ${by === this.opened ? 'opened' : 'accepted'} ${ip}`
    let known = this.partners.get(key)
    if (known === undefined) {
      const other = there.find((t) => t.input === input) ?? there.find((t) => this.fleet.sameClock(t.input, input))
      known = other?.input ?? null
      this.partners.set(key, known)
    }
    return known
  }

  private statements(
    cache: Map<string, Statements>,
    by: ReadonlyMap<string, readonly Session[]>,
    ip: string,
  ): Statements {
    let known = cache.get(ip)
    if (known !== undefined) return known
    known = { text: new Map(), opaque: [], all: [] }
    for (const session of by.get(ip) ?? []) {
      for (const exchange of session.exchanges.list()) {
        const entry = { session, exchange }
        if (exchange.hash === 0) known.opaque.push(entry)
        else append(known.text, exchange.hash, entry)
        known.all.push(entry)
      }
    }
    for (const list of [known.opaque, known.all, ...known.text.values()])
      list.sort((a, b) => a.exchange.at - b.exchange.at)
    cache.set(ip, known)
    return known
  }
}

const noteKey = (input: string, session: number, leg: 'front' | 'back'): string => `${input} ${session} ${leg}`

/** What a proxy that passes the handshake on leaves equal on both legs. */
function handshakeKeys(s: Session): string[] {
  const keys: string[] = []
  const g = s.mysql?.greeting
  if (g != null && g.scramble !== '') keys.push(`${g.connectionId} ${g.scramble}`)
  if (s.tls?.clientRandom != null) keys.push(s.tls.clientRandom)
  return keys
}

/** The same connection, captured elsewhere. */
const isSame = (t: Session, s: Session, fleet: Fleet): boolean =>
  (t.client === s.client && t.server === s.server) || otherVantages(s, fleet).includes(t)

/** Which of two legs came first matters where proxy, client and server have one address. */
const before = (front: Session, back: Session): boolean =>
  front.clientIp !== back.clientIp || front.serverIp !== back.serverIp || front.startAt <= back.startAt

const lastBefore = (s: Session, at: Instant): Exchange | null => s.exchanges.list().findLast((e) => e.at <= at) ?? null

/** The answer behind the proxy comes before the answer in front of it. */
const answersFit = (front: Exchange, back: Exchange): boolean =>
  front.answeredAt < 0 || back.answeredAt < 0 || back.answeredAt <= front.answeredAt + SLACK

/** One of them at least is encrypted: their lengths differ by what that adds. */
function sizesFit(a: Exchange, b: Exchange): boolean {
  if (a.hash === 0 && b.hash === 0) return Math.abs(a.length - b.length) <= MOST_ADDED - LEAST_ADDED
  const [plain, record] = a.hash === 0 ? [b, a] : [a, b]
  const added = record.length - plain.length - HEADER
  return added >= LEAST_ADDED && added <= MOST_ADDED
}

/** Entries sent in [from, to], in order; none when there are too many to tell them apart. */
function between(list: readonly Entry[] | undefined, from: Instant, to: Instant): readonly Entry[] {
  if (list === undefined) return []
  let low = 0
  let high = list.length
  while (low < high) {
    const mid = (low + high) >> 1
    if (list[mid]!.exchange.at < from) low = mid + 1
    else high = mid
  }
  let end = low
  while (end < list.length && list[end]!.exchange.at <= to) if (++end - low > MOST_LOOKED_AT) return []
  return list.slice(low, end)
}
