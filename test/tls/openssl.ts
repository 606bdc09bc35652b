/** TLS between the openssl programs, over a recording relay on loopback: for what node's own TLS cannot be made to do. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CLIENT, type Direction, SERVER } from '../../src/core/direction.ts'
import { selfSigned } from './tls-pair.ts'

export interface Recorded {
  chunks: { dir: Direction; bytes: Uint8Array }[]
  keyLog: string
  clientOutput: string
}

export class OpensslServer {
  readonly folder = mkdtempSync(join(tmpdir(), 'mysqlconn-openssl-'))
  private child!: ChildProcess
  private port = 0
  private relay: Server | null = null
  private chunks: Recorded['chunks'] = []
  private output = ''

  /** Starts `openssl s_server` with these options: -rev sends back what a client says, reversed, line by line. */
  async start(options: readonly string[]): Promise<void> {
    const pem = selfSigned()
    writeFileSync(join(this.folder, 'key.pem'), pem.key)
    writeFileSync(join(this.folder, 'cert.pem'), pem.cert)
    this.port = await freePort()
    const files = ['-key', 'key.pem', '-cert', 'cert.pem', '-keylogfile', 'keys.txt']
    const args = ['s_server', '-accept', `127.0.0.1:${this.port}`, ...files, ...options]
    this.child = spawn('openssl', args, { cwd: this.folder, stdio: ['pipe', 'pipe', 'pipe'] })
    const ready = new Promise<void>((resolve, reject) => {
      const listen = (d: Buffer): void => {
        this.output += d.toString()
        if (this.output.includes('ACCEPT')) resolve()
      }
      this.child.stdout!.on('data', listen)
      this.child.stderr!.on('data', listen)
      this.child.once('exit', () => reject(new Error(`openssl s_server: ${this.output}`)))
    })
    await ready
    const relay = createServer((client) => {
      const server = connect(this.port, '127.0.0.1')
      client.on('data', (bytes) => {
        this.chunks.push({ dir: CLIENT, bytes })
        server.write(bytes)
      })
      server.on('data', (bytes) => {
        this.chunks.push({ dir: SERVER, bytes })
        client.write(bytes)
      })
      client.on('end', () => server.end())
      server.on('end', () => client.end())
      for (const s of [client, server]) s.on('error', () => {})
    })
    await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve))
    this.relay = relay
  }

  /**
   * Runs `openssl s_client` with these options and types the lines, each when the one before has been answered so; an answer of '' is none.
   * Lines of one letter are s_client's own commands (K: KeyUpdate, R: renegotiation, Q: quit).
   */
  async client(options: readonly string[], lines: readonly string[], answers: readonly string[]): Promise<Recorded> {
    this.chunks = []
    const before = this.keyLog().length
    const port = (this.relay!.address() as AddressInfo).port
    const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...options], { cwd: this.folder })
    let output = ''
    let wake = (): void => {}
    const heard = (d: Buffer): void => {
      output += d.toString()
      wake()
    }
    child.stdout.on('data', heard)
    child.stderr.on('data', heard)
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    const seen = async (text: string, from: number): Promise<void> => {
      if (text === '') await new Promise((resolve) => setTimeout(resolve, 100))
      const give = Date.now() + 10_000
      while (!output.slice(from).includes(text)) {
        if (Date.now() > give) throw new Error(`openssl s_client never said '${text}': ${output}`)
        await Promise.race([
          new Promise<void>((resolve) => {
            wake = resolve
          }),
          new Promise((resolve) => setTimeout(resolve, 200)),
        ])
      }
    }
    await seen(answers[0]!, 0)
    for (const [i, line] of lines.entries()) {
      const from = output.length
      child.stdin.write(`${line}\n`)
      await seen(answers[i + 1]!, from)
    }
    child.stdin.write('Q\n')
    await exited
    return { chunks: this.chunks, keyLog: this.keyLog().slice(before), clientOutput: output }
  }

  stop(): void {
    this.relay?.close()
    this.child.kill()
    rmSync(this.folder, { recursive: true })
  }

  private keyLog(): string {
    const path = join(this.folder, 'keys.txt')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
