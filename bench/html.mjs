/**
 * How long the largest HTML report takes to open in Debian's chromium: npm run build && node bench/html.mjs [SAMPLES]. Prints the size
 * and, for each run, milliseconds from navigation to the load event and to the first paint of the finished page.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { renderHtml } from '../dist/src/report/html/page.js'
import { bigReport } from './big-report.mjs'

const dir = mkdtempSync(join(tmpdir(), 'mysqlconn-bench-html-'))
const path = join(dir, 'report.html')
const begun = performance.now()
const text = [...renderHtml(bigReport())].join('\n')
const made = performance.now() - begun
writeFileSync(path, text)
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
try {
  console.log(`${(Buffer.byteLength(text) / 1e6).toFixed(2)} MB, made in ${made.toFixed(0)} ms`)
  for (let i = 0; i < Number(process.argv[2] ?? 3); i++) {
    const page = await (await browser.newContext({ viewport: { width: 1200, height: 900 } })).newPage()
    const start = performance.now()
    await page.goto(`file://${path}`)
    const loaded = performance.now() - start
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
    console.log(`load ${loaded.toFixed(0)} ms, painted ${(performance.now() - start).toFixed(0)} ms`)
    await page.context().close()
  }
} finally {
  await browser.close()
  rmSync(dir, { recursive: true, force: true })
}
