/** One line on stderr that says how far the reading is: only on a terminal, and only for work over half a second. */
import type { Progress } from '../options.ts'
import { bytes, count } from '../report/words.ts'

const PATIENCE_MS = 500
const EVERY_MS = 100

export class ProgressLine {
  private readonly stream: NodeJS.WriteStream
  private readonly begun: number
  private lastDrawn = 0
  private drawn = false

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.stream = stream
    this.begun = performance.now()
  }

  update(p: Progress): void {
    if (!this.stream.isTTY) return
    const now = performance.now()
    if (now - this.begun < PATIENCE_MS || now - this.lastDrawn < EVERY_MS) return
    this.lastDrawn = now
    this.drawn = true
    const line = progressText(p, (now - this.begun) / 1000)
    this.stream.write(`\r\x1b[K${line.slice(0, Math.max(20, (this.stream.columns || 80) - 1))}`)
  }

  /** Takes the line away again. */
  clear(): void {
    if (this.drawn) this.stream.write('\r\x1b[K')
    this.drawn = false
  }
}

/** `42 %  1.2 GB of 2.9 GB  1.1 GB/s  2 s left  1,204 sessions`. */
export function progressText(p: Progress, elapsedSeconds: number): string {
  const rate = elapsedSeconds > 0 ? p.bytes / elapsedSeconds : 0
  const parts: string[] = []
  if (p.total > 0) {
    parts.push(`${Math.min(100, Math.floor((p.bytes / p.total) * 100))} %`, `${bytes(p.bytes)} of ${bytes(p.total)}`)
  } else parts.push(bytes(p.bytes))
  parts.push(`${bytes(Math.round(rate))}/s`)
  if (p.total > p.bytes && rate > 0) parts.push(`${Math.ceil((p.total - p.bytes) / rate)} s left`)
  parts.push(count(p.sessions, 'session'))
  if (p.findings > 0) parts.push(count(p.findings, 'finding'))
  return parts.join('  ')
}
