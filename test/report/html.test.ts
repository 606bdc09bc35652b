/** The HTML report in a real browser (Debian's chromium, headless), and what can be said of it without one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bigReport } from '../../bench/big-report.mjs'
import { analyze } from '../../src/analyze.ts'
import { renderHtml } from '../../src/report/html/page.ts'
import { embeddedJson, html } from '../../src/report/html/tag.ts'
import type { Report } from '../../src/report/model.ts'
import { redactReport } from '../../src/report/redact.ts'
import { needs, ROOT } from '../kit/require.ts'
import { finding, occurrence, report, session, text } from './fixtures.ts'

const BIN = '/usr/bin/chromium'
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const page = (r: Report): string => `${text(renderHtml(r))}\n`

async function sample(name: string): Promise<Report> {
  const folder = join(ROOT, 'samples', name)
  const inputs = readdirSync(folder).filter((f) => /\.pcap(ng)?$/.test(f))
  return analyze(
    inputs.map((f) => join(folder, f)),
    { idle: true, ladders: true },
  )
}

describe('html``', () => {
  it('escapes what it is given, in text and in attributes', () => {
    expect(html`<a title="${`"'\`<&>`}">${'<b>&'}</a>`.text).toBe(
      '<a title="&quot;&#39;&#96;&lt;&amp;&gt;">&lt;b&gt;&amp;</a>',
    )
    expect(html`${[html`<i>${1}</i>`, null, false, undefined, 'x']}`.text).toBe('<i>1</i>x')
    expect(html`${'\u202e\x1b\x00'}`.text).toBe('\\u202e\\x1b\\x00')
  })

  it('JSON cannot end its element', () => {
    expect(embeddedJson({ a: '</script><!--\u2028' })).toBe('{"a":"\\u003c/script\\u003e\\u003c!--\\u2028"}')
  })
})

describe('the page', () => {
  it('reaches for nothing outside of itself', () => {
    const out = page(report())
    expect(out).toContain("default-src 'none'")
    // Links to read on are for people to follow; nothing else names a place.
    expect(out.replace(/<a href="https:[^"]*"/g, '').match(/(?:src|href)="(?!#)[^"]*"/g)).toBeNull()
    expect(out).not.toMatch(/@import|url\(|<link|style="/)
  })

  it('says what limits it, and that the run was partial', () => {
    const blind = report({ partial: true })
    blind.summary.blind = ['2 of 3 sessions are TLS']
    expect(page(blind)).toContain('Partial: the run')
    expect(page(blind)).toContain('2 of 3 sessions are TLS')
  })

  it('has no literal of a statement once redacted, not even in the facts', async () => {
    const r = await sample('rst-after-query')
    const literals = r.findings.flatMap((f) =>
      f.occurrences.flatMap((o) => o.statement?.match(/'[^']+'|\b\d{3,}\b/g) ?? []),
    )
    expect(page(redactReport(r))).toContain('?')
    for (const l of literals) expect(page(redactReport(r))).not.toContain(l)
  })

  it('of the largest report is under 5 MB, and says what it left out', () => {
    const out = page(bigReport() as Report)
    expect(Buffer.byteLength(out)).toBeLessThan(5_000_000)
    expect(out).toMatch(
      /Left out of this file to keep it small:.*the evidence of \d+ findings; the rows of 9,000 sessions/,
    )
    expect(out).toMatch(/the embedded facts of [\d,]+ sessions/)
    // Every finding is there, with its evidence or in one line.
    expect(out.match(/data-finding="/g)!.length).toBe(500)
  })
})

needs(BIN)('in the browser', () => {
  let browser: Browser
  let dir: string
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'mysqlconn-html-'))
    browser = await chromium.launch({ executablePath: BIN, args: ['--no-sandbox'] })
  }, 60_000)
  afterAll(async () => {
    await browser?.close()
    rmSync(dir, { recursive: true, force: true })
  })

  async function open(
    r: Report,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<{ p: Page; errors: string[] }> {
    const path = join(dir, 'report.html')
    writeFileSync(path, page(r))
    const p = await (await browser.newContext({ viewport: { width: 1200, height: 900 }, ...options })).newPage()
    const errors: string[] = []
    p.on('console', (m) => m.type() === 'error' && errors.push(m.text()))
    p.on('pageerror', (e) => errors.push(e.message))
    p.on('request', (q) => !q.url().startsWith('file:') && !q.url().startsWith('blob:') && errors.push(q.url()))
    await p.goto(`file://${path}`)
    return { p, errors }
  }
  const shown = (p: Page, what: string): Promise<number> => p.locator(`${what}:not(.hidden)`).count()

  for (const name of ['idle-timeout-proxy', 'tls-error-queue', 'healthy-direct', 'silent-drop']) {
    it(`${name}: no error, nothing loaded, no serious accessibility finding, light and dark, desk and phone`, async () => {
      const r = await sample(name)
      for (const options of [
        {},
        { colorScheme: 'dark' as const },
        { viewport: { width: 360, height: 740 }, hasTouch: true },
      ]) {
        const { p, errors } = await open(r, options)
        await p.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
        // No sideways scrolling of the page itself.
        expect(await p.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true)
        // The page's policy forbids scripts of others; a debugger is none.
        await (await p.context().newCDPSession(p)).send('Runtime.evaluate', { expression: AXE })
        const found = (await p.evaluate('axe.run()')) as {
          violations: { id: string; impact: string; nodes: { html: string }[] }[]
        }
        const grave = found.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical')
        expect(grave.map((v) => [v.id, v.nodes[0]?.html])).toEqual([])
        expect(errors).toEqual([])
        await p.context().close()
      }
    })
  }

  it('the first screen says who, what and what to do, without scrolling', async () => {
    const { p } = await open(await sample('idle-timeout-proxy'))
    expect(await p.locator('h1').textContent()).toBe('1 cause, 2 of 16 MySQL sessions broke, 1 query lost')
    const verdict = p.locator('.verdicts li').first()
    expect(await verdict.textContent()).toMatch(/The proxy 10\.20\.0\.20 closed idle connections after 10\.0 s.*Do:/s)
    const box = await p.locator('.chain').first().boundingBox()
    expect(box!.y + box!.height).toBeLessThan(900)
    await p.context().close()
  })

  it('draws the cut on the leg and at the side that made it', async () => {
    const { p } = await open(await sample('idle-timeout-proxy'))
    const hosts = await p.locator('.chain').first().locator('.host strong').allTextContents()
    expect(hosts).toEqual(['app', 'proxy', 'MariaDB 10.11.19'])
    const x = await p.locator('.chain .x').first().boundingBox()
    const proxy = await p.locator('.chain .host.culprit').first().boundingBox()
    const app = await p.locator('.chain .host').first().boundingBox()
    expect(proxy!.x - x!.x).toBeLessThan(x!.x - app!.x)
    await p.context().close()
  })

  it('the ladder shows both legs on one clock, with the frames of the evidence', async () => {
    const r = await sample('idle-timeout-proxy')
    const { p } = await open(r)
    await p
      .getByText(/^Ladder of/)
      .first()
      .click()
    const svg = await p.locator('[aria-label="Ladder"] svg').first().textContent()
    for (const f of ['314', '317', '339', '340']) expect(svg).toContain(f)
    const clock = r.ladders![0]!.events.map((e) => e.offsetSeconds)
    expect(clock).toEqual([...clock].sort((a, b) => a - b))
    expect(new Set(r.ladders![0]!.events.map((e) => e.leg))).toEqual(new Set([0, 1]))
    await p.context().close()
  })

  it('shows trigger and victims of a left-over TLS error, and the silences of an idle timeout', async () => {
    const tls = await open(await sample('tls-error-queue'))
    expect(await tls.p.locator('svg circle.trigger').count()).toBe(1)
    expect(await tls.p.locator('[aria-label="Trigger and victims"] circle.lost').count()).toBe(3)
    const idle = await open(await sample('idle-timeout-proxy'))
    expect(await idle.p.locator('[aria-label="Silences"] svg').textContent()).toContain('the timer')
    await tls.p.context().close()
    await idle.p.context().close()
  })

  it('shows who had a connection when the finding says so', async () => {
    const borrowers = [
      { name: 'tenant-a', from: '17:10:00', set: true, says: 'SET sql_select_limit=1' },
      { name: 'tenant-b', from: '17:10:04', hit: true, says: 'got 1 row' },
    ]
    const { p } = await open(report({ findings: [finding({ detail: { borrowers } })] }))
    expect(await p.locator('[aria-label="Borrowers"] tbody tr').allTextContents()).toEqual([
      'tenant-a17:10:00set the stateSET sql_select_limit=1',
      'tenant-b17:10:04met the stategot 1 row',
    ])
    await p.context().close()
  })

  it('filters findings and sessions, by keyboard alone', async () => {
    const r = report({
      sessions: Array.from({ length: 30 }, (_, i) => session(i)),
      findings: [
        finding(),
        finding({
          id: 'silent-drop:1',
          rule: 'silent-drop',
          severity: 'warning',
          title: 'Packets vanish',
          occurrences: [occurrence(5)],
        }),
        finding({
          id: 'client-no-quit:2',
          rule: 'client-no-quit',
          severity: 'info',
          title: 'No COM_QUIT',
          occurrences: [occurrence(7)],
        }),
      ],
    })
    const { p, errors } = await open(r)
    expect([await shown(p, '.card'), await shown(p, 'tr[data-session]')]).toEqual([3, 30])
    await p.locator('.filters summary').focus()
    await p.keyboard.press('Enter')
    await p.keyboard.press('Tab')
    await p.keyboard.type('vanish')
    await expect.poll(() => shown(p, '.card')).toBe(1)
    await p.locator('#f-text').fill('')
    await p.getByLabel('warnings').uncheck()
    await expect.poll(() => shown(p, '.card')).toBe(2)
    await p.locator('#f-rule').selectOption('client-no-quit')
    await expect.poll(() => shown(p, 'tr[data-session]')).toBe(1)
    await p.getByText('Clear').click()
    await p.getByLabel('broken sessions only').check()
    await expect.poll(() => shown(p, 'tr[data-session]')).toBe(2)
    expect(await p.locator('#f-said').textContent()).toBe('3 of 3 findings, 2 of 30 sessions')
    expect(errors).toEqual([])
    await p.context().close()
  })

  it('gives its facts away as JSON', async () => {
    const { p } = await open(report())
    await p.locator('.filters summary').click()
    const [download] = await Promise.all([p.waitForEvent('download'), p.getByText('Save facts as JSON').click()])
    const facts = JSON.parse(readFileSync(await download.path(), 'utf8'))
    expect(facts.findings[0].id).toBe('rst-after-query:0badcafe')
    expect(facts.sessions.length).toBe(3)
    await p.context().close()
  })

  it('runs nothing that stood in a capture', async () => {
    const evil = `<img src=x onerror="document.title='hit'"></script><script>document.title='hit'</script>`
    const r = report({
      sessions: [session(1, { mysql: { ...session(1).mysql!, user: evil, attributes: { program_name: evil } } })],
      findings: [finding({ title: evil, occurrences: [occurrence(1, { statement: evil })] })],
    })
    const { p, errors } = await open(r)
    expect(await p.title()).not.toBe('hit')
    expect(await p.locator('img').count()).toBe(0)
    expect(errors).toEqual([])
    await p.context().close()
  })

  it('the largest report renders without an error', async () => {
    const { p, errors } = await open(bigReport() as Report)
    expect(await p.locator('[data-finding]').count()).toBe(500)
    expect(errors).toEqual([])
    await p.context().close()
  })
})
