/** Preloaded into a Node program where GNU time is missing: writes its own resource usage when it ends. */
import { writeFileSync } from 'node:fs'

process.on('exit', () => {
  const u = process.resourceUsage()
  writeFileSync(process.env.BENCH_USAGE, `${u.userCPUTime / 1e6} ${u.systemCPUTime / 1e6} ${u.maxRSS}\n`)
})
