/**
 * Findings while the proxy runs. The blocks of the recording are copied to a thread that analyses them; when it falls behind by more
 * than its share of memory, blocks are left out of the analysis (never of the recording), and that is said.
 */
import { Worker } from 'node:worker_threads'
import { LiveAnalysis, type LiveFinding, type LiveOptions } from './live-analysis.ts'
import type { FromWorker, ToWorker } from './live-worker.ts'
import { initZstd } from './mysql/zstd.ts'

/** Blocks that may wait for the analysis, bytes. */
const BACKLOG = 64 << 20
const EVERY_MS = 500

export interface LiveHost {
  blocks(blocks: Uint8Array): void
  /** Judges what is left; resolves when every finding has been told. */
  end(): Promise<void>
}

export interface LiveEvents {
  onFinding(f: LiveFinding): void
  /** The analysis cannot keep up: bytes left out so far. */
  onBehind(bytes: number): void
  onFailed(error: Error): void
}

/** In a thread where the build is there, in this one where the sources run as they are (tests). */
export async function startLive(options: LiveOptions, events: LiveEvents): Promise<LiveHost> {
  return import.meta.url.endsWith('.ts') ? await inline(options, events) : threaded(options, events)
}

async function inline(options: LiveOptions, events: LiveEvents): Promise<LiveHost> {
  await initZstd()
  const live = new LiveAnalysis(options, (f) => events.onFinding(f))
  const timer = setInterval(() => live.tick(Date.now() / 1000), EVERY_MS)
  timer.unref()
  return {
    blocks: (b) => live.feed(Uint8Array.from(b)),
    end: async () => {
      clearInterval(timer)
      live.end()
    },
  }
}

function threaded(options: LiveOptions, events: LiveEvents): LiveHost {
  const worker = new Worker(new URL('./live-worker.js', import.meta.url), { workerData: options })
  let waiting = 0
  let skipped = 0
  let ended: (() => void) | null = null
  let gone = false
  const send = (m: ToWorker, transfer: ArrayBuffer[] = []): void => {
    if (!gone) worker.postMessage(m, transfer)
  }
  worker.on('message', (m: FromWorker) => {
    if ('finding' in m) events.onFinding(m.finding)
    else if ('done' in m) waiting -= m.done
    else {
      if (m.bugs > 0) events.onFailed(new Error(`${m.bugs} rules failed: a bug of ours`))
      ended?.()
    }
  })
  worker.on('error', (e) => {
    gone = true
    events.onFailed(e)
    ended?.()
  })
  worker.on('exit', () => {
    gone = true
    ended?.()
  })
  worker.unref()
  const timer = setInterval(() => send({ tick: Date.now() / 1000 }), EVERY_MS)
  timer.unref()
  return {
    blocks: (b) => {
      if (gone) return
      if (waiting + b.length > BACKLOG) {
        skipped += b.length
        events.onBehind(skipped)
        return
      }
      waiting += b.length
      // A Buffer's own slice would share the memory.
      const copy = Uint8Array.from(b)
      send({ blocks: copy }, [copy.buffer])
    },
    end: async () => {
      clearInterval(timer)
      if (gone) return
      worker.ref()
      await new Promise<void>((done) => {
        ended = done
        send({ end: true })
      })
    },
  }
}
