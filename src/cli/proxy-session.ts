/** From a running proxy to its exit code: the status line, signals, the drain and the summary. */
import { EXIT } from '../core/errors.ts'
import { bytes, count } from '../report/words.ts'
import type { LoggedEvent, ProxyLog, StatusNumbers } from './proxy-log.ts'

/** What the command needs of a running proxy. */
export interface Drainable {
  totals(): Totals
  rotate(): void
  drain(deadline: string): Promise<number>
}

export interface Totals {
  open: number
  accepted: number
  refused: number
  connectFailed: number
  broken: number
  bytesUp: number
  bytesDown: number
  recorded: number
  lag: number
  dropped: number
  recording: StatusNumbers['recording']
  requests: number
  findings: number | null
}

const EVERY_MS = 1000

export class ProxySession {
  private readonly proxy: Drainable
  private readonly log: ProxyLog
  private readonly deadline: string
  private bugs = 0
  private before: { at: number; bytes: number; requests: number } | null = null

  constructor(proxy: Drainable, log: ProxyLog, deadline: string) {
    this.proxy = proxy
    this.log = log
    this.deadline = deadline
  }

  /** Resolves with the exit code once a signal has ended the proxy. */
  untilTold(): Promise<number> {
    return new Promise((done, failed) => {
      let told = false
      const timer = setInterval(() => this.status(), EVERY_MS)
      const end = (signal: string): void => {
        if (told) {
          this.log.event(say('warning', 'cut-short', 'second signal: ended at once'))
          process.exit(EXIT.interrupted)
        }
        told = true
        clearInterval(timer)
        this.log.event(
          say(
            'info',
            'draining',
            `${signal}: no new connections; ${count(this.proxy.totals().open, 'connection')} open`,
          ),
        )
        this.proxy.drain(this.deadline).then((cut) => {
          this.summary(cut)
          const t = this.proxy.totals()
          done(this.bugs > 0 ? EXIT.bug : cut > 0 ? EXIT.interrupted : t.recording === 'failed' ? EXIT.input : EXIT.ok)
        }, failed)
      }
      process.on('SIGINT', () => end('SIGINT'))
      process.on('SIGTERM', () => end('SIGTERM'))
      // A bug in the handling of one connection must not cut all the others.
      process.on('uncaughtException', (e) => {
        this.bugs++
        this.log.event({
          level: 'error',
          event: 'bug',
          says: `this is a bug of ours, please report it; traffic goes on: ${e.stack ?? e.message}`,
          facts: {},
        })
      })
      process.on('SIGHUP', () => this.proxy.rotate())
    })
  }

  private status(): void {
    const t = this.proxy.totals()
    const now = performance.now()
    const sum = t.bytesUp + t.bytesDown
    const { before } = this
    const seconds = before === null ? 1 : Math.max(0.001, (now - before.at) / 1000)
    this.log.status({
      ...t,
      requestsPerSecond: Math.max(0, (t.requests - (before?.requests ?? 0)) / seconds),
      bytesPerSecond: (sum - (before?.bytes ?? 0)) / seconds,
    })
    this.before = { at: now, bytes: sum, requests: t.requests }
  }

  private summary(cut: number): void {
    const t = this.proxy.totals()
    const parts = [
      `${count(t.accepted, 'connection')} served`,
      `${bytes(t.bytesUp)} to the server, ${bytes(t.bytesDown)} to clients`,
    ]
    if (t.connectFailed > 0) parts.push(`${t.connectFailed} could not reach the upstream`)
    if (t.broken > 0) parts.push(`${t.broken} ended abruptly`)
    if (t.refused > 0) parts.push(`${t.refused} turned away`)
    if (t.findings !== null) parts.push(count(t.findings, 'finding'))
    if (cut > 0) parts.push(`${cut} cut short at the deadline`)
    if (t.recording === 'failed') parts.push('the recording stopped early')
    else if (t.recorded > 0) parts.push(`${bytes(t.recorded)} recorded`)
    if (t.dropped > 0) parts.push(`${count(t.dropped, 'frame')} left out of it`)
    this.log.event({ level: 'info', event: 'summary', says: parts.join('; '), facts: { ...t, cut } })
  }
}

const say = (level: LoggedEvent['level'], event: string, says: string): LoggedEvent => ({
  level,
  event,
  says,
  facts: {},
})
