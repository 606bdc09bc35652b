/** What the running proxy says on stderr: lines for people or JSON lines, and on a terminal one status line below them. */

import { escapeControls } from '../report/style.ts'
import { bytes, count } from '../report/words.ts'

export interface LoggedEvent {
  level: 'info' | 'warning' | 'error'
  event: string
  says: string
  facts: Readonly<Record<string, unknown>>
}

export interface StatusNumbers {
  open: number
  requestsPerSecond: number
  bytesPerSecond: number
  findings: number | null
  recorded: number
  lag: number
  dropped: number
  recording: 'on' | 'off' | 'failed' | 'waiting'
}

export class ProxyLog {
  private readonly json: boolean
  private readonly stream: NodeJS.WriteStream
  private drawn = false

  constructor(format: 'text' | 'json', stream: NodeJS.WriteStream = process.stderr) {
    this.json = format === 'json'
    this.stream = stream
  }

  event(e: LoggedEvent): void {
    this.clear()
    const at = new Date().toISOString()
    if (this.json)
      this.stream.write(`${JSON.stringify({ at, level: e.level, event: e.event, says: e.says, ...e.facts })}\n`)
    else this.stream.write(`${at.slice(11, 23)} ${MARK[e.level]}${e.says.split('\n').map(escapeControls).join('\n')}\n`)
  }

  /** Only on a terminal, and never between JSON lines. */
  status(s: StatusNumbers): void {
    if (!this.stream.isTTY || this.json) return
    const line = statusText(s).slice(0, Math.max(20, (this.stream.columns || 80) - 1))
    this.stream.write(`\r\x1b[K${line}`)
    this.drawn = true
  }

  clear(): void {
    if (this.drawn) this.stream.write('\r\x1b[K')
    this.drawn = false
  }
}

const MARK = { info: '', warning: 'warning: ', error: 'ERROR: ' } as const

/** `12 connections  840 requests/s  1.2 MB/s  2 findings  recorded 48 MB`. */
export function statusText(s: StatusNumbers): string {
  const parts = [count(s.open, 'connection'), `${Math.round(s.requestsPerSecond)} requests/s`]
  parts.push(`${bytes(Math.round(s.bytesPerSecond))}/s`)
  if (s.findings !== null) parts.push(count(s.findings, 'finding'))
  if (s.recording === 'failed') parts.push('RECORDING STOPPED')
  else if (s.recording === 'waiting') parts.push(`${bytes(s.recorded)} kept, waiting for a finding`)
  else if (s.recording === 'on') parts.push(`recorded ${bytes(s.recorded)}`)
  if (s.lag > 4 << 20) parts.push(`${bytes(s.lag)} behind`)
  if (s.dropped > 0) parts.push(`${count(s.dropped, 'frame')} LEFT OUT`)
  return parts.join('  ')
}
