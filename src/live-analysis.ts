/**
 * The analysis of a recording while it is made: the chain and the rules of `analyze`, fed with the blocks as they are written. Sessions
 * are judged a moment after both their legs have ended; the rules see the sessions of the last minutes, so that memory stays bounded.
 * Runs in a thread of its own (live-worker.ts), so that no rule delays the traffic.
 */
import { PcapngReader } from './capture/pcapng.ts'
import { Chain } from './chain.ts'
import { AnomalyLog } from './core/anomaly.ts'
import { LIMITS } from './core/limits.ts'
import { Epoch, NS_PER_SECOND } from './core/time.ts'
import { detect } from './detect/engine.ts'
import { RULES } from './detect/rules/index.ts'
import type { Finding } from './report/model.ts'
import type { Session } from './session/session.ts'
import { KeyStore } from './tls/key-store.ts'

/** Both legs of a session, and what is said after a close, have come by then. */
const SETTLED_NS = 1 * NS_PER_SECOND
/** A leg whose other leg has still not ended is judged alone: there may be none, or it hangs. */
const ALONE_NS = 3 * NS_PER_SECOND
/** How long a session counts as context for others. */
const CONTEXT_NS = 600 * NS_PER_SECOND

/** A finding with the occurrences that are new; `total` counts all of them so far. */
export interface LiveFinding {
  finding: Finding
  total: number
}

export interface LiveOptions {
  /** Name of the input in session ids: the recording's. */
  input: string
  /** Ports of listeners and upstreams: MySQL's, whatever their number. */
  ports: readonly number[]
}

export class LiveAnalysis {
  private readonly epoch = new Epoch()
  private readonly anomalies = new AnomalyLog()
  private readonly chain: Chain
  private readonly reader: PcapngReader
  private sessions: Session[] = []
  /** Legs whose other leg has not ended, by session number, the oldest first. */
  private readonly single = new Map<number, { session: Session; since: number }>()
  private now = 0
  private fresh = 0
  /** Occurrences told, by finding; forgotten with the sessions. */
  private readonly told = new Map<string, { sessions: Set<string>; total: number }>()
  private readonly onFinding: (f: LiveFinding) => void
  /** Exceptions of rules. */
  bugs = 0

  constructor(options: LiveOptions, onFinding: (f: LiveFinding) => void) {
    this.onFinding = onFinding
    const keys = new KeyStore(LIMITS.tlsKeySessions)
    const secrets = keys.begin()
    this.chain = new Chain({
      input: options.input,
      keys,
      files: { locate: (frame) => ({ input: options.input, frame }) },
      ports: options.ports,
      trace: null,
      onSession: (s) => this.keep(s),
    })
    this.reader = new PcapngReader({
      epoch: this.epoch,
      anomalies: this.anomalies,
      sink: this.chain.sink,
      onSecrets: (text) => keys.addText(secrets, text),
    })
  }

  /** Whole blocks of the recording. */
  feed(blocks: Uint8Array): void {
    this.reader.feed(blocks, 0, blocks.length)
  }

  /** A leg waits for the other one of its session: the rules look at both. */
  private keep(s: Session): void {
    const number = s.proxyNote?.session
    if (number === undefined) {
      this.take(s)
      return
    }
    const other = this.single.get(number)
    if (other !== undefined && other.session.proxyNote?.leg !== s.proxyNote!.leg) {
      this.single.delete(number)
      this.take(other.session)
      this.take(s)
    } else if (other !== undefined) this.take(s)
    else this.single.set(number, { session: s, since: this.now })
  }

  private take(s: Session): void {
    this.sessions.push(s)
    const { ending, mysql } = s
    if (mysql === null || ending.lost !== null || !ending.quit || mysql.errorFacts.length > 0) this.fresh++
  }

  /** Judges what has ended by now (Unix seconds). */
  tick(unixSeconds: number): void {
    if (!this.epoch.fixed) return
    const now = this.epoch.instant(Math.floor(unixSeconds), (unixSeconds % 1) * NS_PER_SECOND)
    this.now = now
    this.chain.tcp.settle(now - SETTLED_NS)
    this.chain.sessions.end()
    for (const [number, { session, since }] of this.single) {
      if (now - since < ALONE_NS) break
      this.single.delete(number)
      this.take(session)
    }
    if (this.fresh === 0) return
    this.fresh = 0
    this.judge()
    this.forget(now)
  }

  /** The recording has ended: what is open is judged too. */
  end(): void {
    this.chain.end()
    for (const { session } of this.single.values()) this.take(session)
    this.single.clear()
    this.judge()
  }

  private judge(): void {
    this.sessions.sort((a, b) => a.stream - b.stream)
    const { findings, bugs } = detect(RULES, this.sessions, this.epoch)
    this.bugs += bugs.length
    for (const f of findings) {
      let told = this.told.get(f.id)
      if (told === undefined) {
        told = { sessions: new Set(), total: 0 }
        this.told.set(f.id, told)
      }
      const fresh = f.occurrences.filter((o) => !told.sessions.has(o.session))
      if (fresh.length === 0) continue
      for (const o of fresh) told.sessions.add(o.session)
      told.total += fresh.length
      this.onFinding({ finding: { ...f, occurrences: fresh }, total: told.total })
    }
  }

  private forget(now: number): void {
    const most = LIMITS.liveSessions
    if (this.sessions.length <= most && (this.sessions[0]?.endAt ?? now) > now - CONTEXT_NS) return
    const kept = this.sessions.filter((s) => s.endAt > now - CONTEXT_NS)
    this.sessions = kept.length > most ? kept.slice(kept.length - most) : kept
    const ids = new Set(this.sessions.map((s) => s.id))
    for (const [, t] of this.told) for (const id of t.sessions) if (!ids.has(id)) t.sessions.delete(id)
  }
}
