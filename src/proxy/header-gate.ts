/** Waits for the PROXY header that must come ahead of everything else; what follows it is kept until the server is connected. */
import type { Flow, Valve } from './flow.ts'
import { type ProxiedClient, readProxyHeader } from './proxy-header.ts'

const PATIENCE_MS = 5000
/** A client that speaks before its server has nothing to say but a header. */
const MOST = 4096

export class HeaderGate implements Valve {
  client: ProxiedClient | null = null
  /** What came behind the header. */
  rest: Uint8Array = new Uint8Array(0)
  private done = false
  private readonly timer: NodeJS.Timeout
  private readonly onHeader: () => void
  private readonly onMissing: (why: string) => void
  private readonly flow: Flow

  constructor(flow: Flow, onHeader: () => void, onMissing: (why: string) => void) {
    this.flow = flow
    this.onHeader = onHeader
    this.onMissing = onMissing
    flow.valve = this
    this.timer = setTimeout(() => this.missing('it sent none in time'), PATIENCE_MS)
  }

  pass(n: number, buf: Uint8Array): boolean {
    const all = new Uint8Array(this.rest.length + n)
    all.set(this.rest)
    all.set(buf.subarray(0, n), this.rest.length)
    this.rest = all
    if (this.done) return false
    const read = readProxyHeader(all)
    if (read === 'more' && all.length < MOST) return false
    if (read === 'more' || read === 'none') {
      this.missing('its first bytes are none')
      return false
    }
    this.done = true
    clearTimeout(this.timer)
    this.client = read.client
    this.rest = all.subarray(read.length)
    this.flow.from.pause()
    this.onHeader()
    return false
  }

  stop(): void {
    clearTimeout(this.timer)
  }

  private missing(why: string): void {
    clearTimeout(this.timer)
    if (this.done) return
    this.done = true
    this.onMissing(why)
  }
}
