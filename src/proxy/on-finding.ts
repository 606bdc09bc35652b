/** `--on-finding CMD`: runs a command with the finding as JSON on its standard input. No shell; bounded in number and time. */
import { spawn } from 'node:child_process'

const AT_ONCE = 4
const WAITING = 32
const PATIENCE_MS = 30_000

export class FindingCommand {
  private readonly words: readonly string[]
  private readonly onFailed: (why: string) => void
  private running = 0
  private readonly queue: string[] = []

  /** `command`: program and arguments, separated by spaces; there is no quoting, as there is no shell. */
  constructor(command: string, onFailed: (why: string) => void) {
    this.words = command.split(/\s+/).filter((w) => w !== '')
    this.onFailed = onFailed
  }

  run(finding: unknown): void {
    if (this.queue.length >= WAITING) {
      this.onFailed('too many findings wait for the command; one was not handed to it')
      return
    }
    this.queue.push(`${JSON.stringify(finding)}\n`)
    this.next()
  }

  /** Waits for what is running and queued. */
  async settled(): Promise<void> {
    while (this.running > 0 || this.queue.length > 0) await new Promise((r) => setTimeout(r, 20))
  }

  private next(): void {
    const input = this.queue[0]
    if (input === undefined || this.running >= AT_ONCE) return
    this.queue.shift()
    this.running++
    const child = spawn(this.words[0]!, this.words.slice(1), { stdio: ['pipe', 'ignore', 'ignore'], shell: false })
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    let over = false
    const done = (why: string): void => {
      if (over) return
      over = true
      clearTimeout(timer)
      this.running--
      if (why !== '') this.onFailed(why)
      this.next()
    }
    child.on('error', (e) => done(e.message))
    child.on('exit', (code, signal) => done(code === 0 ? '' : `it ended with ${signal ?? `code ${code}`}`))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  }
}
