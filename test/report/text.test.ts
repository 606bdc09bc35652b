/** The first screen: what it says, at 80 and 120 columns, with and without colour and Unicode. */
import { describe, expect, it } from 'vitest'
import type { Report } from '../../src/report/model.ts'
import { renderText } from '../../src/report/text.ts'
import { displayWidth } from '../../src/report/wrap.ts'
import {
  anomaly,
  ascii,
  blindReport,
  colored,
  finding,
  occurrence,
  plain,
  report,
  session,
  text,
  wide,
  withoutColor,
} from './fixtures.ts'

describe('the first screen', () => {
  it('at 80 columns', () => {
    expect(text(renderText(report(), plain))).toMatchInlineSnapshot(`
      "
        capture.pcap   1,470 frames, 16.1 s, from 2026-11-20 17:10:00 UTC, 3 MySQL
                       sessions: 1 client → MySQL 8.4.3 10.20.0.30:3306

        1 cause, 1 of 3 sessions broke, 1 query lost

        ✖ MySQL 10.20.0.30 reset a connection with a command outstanding 2.00 s after
          the command; 1 UPDATE lost                                            likely
            orders 10.20.0.10:50001 ──────▶ MySQL 10.20.0.30:3306
                                          ╳
            17:10:02.400 RST by the server, 2.00 s after the last byte
            lost      UPDATE account SET balance = 17 WHERE owner = 'Ann O''Hara'
                      reached the server, no answer came: it may have run, check
                      before a retry
            because   · COM_QUERY sent (frame 7)
                      · RST from 10.20.0.30:3306 (frames 8, 9)
                      · nothing either way (17:10:00.400 to 17:10:02.400)
                      · from the command to the close 2 s (no timer)
            not       packet loss: no retransmission · KILL 41: none seen
            do        Read the error log at that second: SET PERSIST
                      log_error_verbosity=3
            look      mysqlconn sessions show capture.pcap:1 captures/capture.pcap
                      tshark -r captures/capture.pcap -Y 'tcp.stream==1 && frame.number>=7'

        Next: mysqlconn explain rst-after-query
              mysqlconn sessions captures/capture.pcap
              -o report.html to pass it on"
    `)
  })

  it('at 120 columns', () => {
    expect(text(renderText(report(), wide))).toMatchInlineSnapshot(`
      "
        capture.pcap   1,470 frames, 16.1 s, from 2026-11-20 17:10:00 UTC, 3 MySQL sessions: 1 client → MySQL 8.4.3
                       10.20.0.30:3306

        1 cause, 1 of 3 sessions broke, 1 query lost

        ✖ MySQL 10.20.0.30 reset a connection with a command outstanding 2.00 s after the command; 1 UPDATE lost        likely
            orders 10.20.0.10:50001 ──────▶ MySQL 10.20.0.30:3306
                                          ╳ 17:10:02.400 RST by the server, 2.00 s after the last byte
            lost      UPDATE account SET balance = 17 WHERE owner = 'Ann O''Hara'
                      reached the server, no answer came: it may have run, check before a retry
            because   · COM_QUERY sent (frame 7)
                      · RST from 10.20.0.30:3306 (frames 8, 9)
                      · nothing either way (17:10:00.400 to 17:10:02.400)
                      · from the command to the close 2 s (no timer)
            not       packet loss: no retransmission · KILL 41: none seen
            do        Read the error log at that second: SET PERSIST log_error_verbosity=3
            look      mysqlconn sessions show capture.pcap:1 captures/capture.pcap
                      tshark -r captures/capture.pcap -Y 'tcp.stream==1 && frame.number>=7'

        Next: mysqlconn explain rst-after-query · mysqlconn sessions captures/capture.pcap · -o report.html to pass it on"
    `)
  })

  it('in ASCII', () => {
    const out = text(renderText(report({ findings: [finding({ title: 'Näher: 350 µs → weg' })] }), ascii))
    expect(out).toMatch(/^[\x20-\x7e\n]*$/)
    expect(out).toContain('N\\u{e4}her: 350 us -> weg')
  })

  it('says the same with colour as without', () => {
    const out = text(renderText(report(), colored))
    expect(out).toContain('\x1b[31m✖')
    expect(withoutColor(out)).toBe(text(renderText(report(), plain)))
  })

  it('keeps every line within the width, commands and endpoints aside', () => {
    for (const line of renderText(report(), plain)) {
      if (!/mysqlconn sessions|tshark/.test(line)) expect(displayWidth(line), line).toBeLessThanOrEqual(80)
    }
  })

  it('never lets text from the capture reach the terminal as control characters', () => {
    const evil = 'SELECT \x1b]0;owned\x07\u202e\r\nDROP'
    const dirty = report({
      findings: [
        finding({
          title: evil,
          excluded: [evil],
          occurrences: [occurrence(1, { statement: evil }), occurrence(2, { statement: evil })],
        }),
      ],
      sessions: [session(1, { mysql: { ...session(1).mysql!, attributes: { program_name: evil }, user: evil } })],
    })
    const out = text(renderText(dirty, plain, { explain: true }))
    expect(out).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/)
    expect(out).toContain('\\x1b]0;owned\\x07\\u202e DROP')
  })

  it('counts causes, broken sessions and lost queries, each session once', () => {
    const two = report({
      findings: [
        finding(),
        finding({
          id: 'x:1',
          rule: 'client-timeout',
          occurrences: [occurrence(1), occurrence(2, { outcome: 'none' })],
        }),
      ],
    })
    expect(text(renderText(two, plain))).toContain('  2 causes, 2 of 3 sessions broke, 1 query lost\n')
  })

  it('gives an overview with counts before four and more causes', () => {
    const causes = [1, 2, 3, 4].map((n) =>
      finding({
        id: `r:${n}`,
        title: `Cause ${n}`,
        occurrences: Array.from({ length: n * 10 }, (_, i) => occurrence(i)),
      }),
    )
    const out = text(renderText(report({ findings: causes }), plain))
    expect(out).toContain('  ✖ 10×  Cause 1\n  ✖ 20×  Cause 2\n  ✖ 30×  Cause 3\n  ✖ 40×  Cause 4\n')
    expect(out).toContain('hit       40 connections of 10.20.0.10\n')
    expect(out).toContain('and 36 more')
  })

  it('folds notes into one line each', () => {
    const note = finding({ severity: 'info', title: 'Closed in order without COM_QUIT' })
    const out = text(renderText(report({ findings: [note] }), plain))
    expect(out).toContain('  ✔ None of 3 sessions broke\n\n  ○ Closed in order without COM_QUIT\n')
    expect(out).not.toContain('because')
  })

  it('says why nothing was found, and how to capture better', () => {
    expect(text(renderText(blindReport(), plain))).toMatchInlineSnapshot(`
      "
        capture.pcap   1,470 frames, 16.1 s, from 2026-11-20 17:10:00 UTC, 12 TCP
                       connections, none of them MySQL

        ▲ No MySQL session was seen, so nothing can be said about connections

        Why nothing was found
          · None of the 12 TCP connections spoke MySQL: name the port with --port.
          · capture.pcap: capture.snaplen ×69, first at frame 4. Frames were cut by
            the snapshot length: payload beyond it is unknown. Capture with tcpdump -s
            0.
          · capture.pcap: capture.one-direction ×3, first at frame 11. Only one
            direction of the connection was captured: commands or answers are missing,
            verdicts are weaker.

        To see more
          · capture whole packets: -s 0
          · capture where both directions pass: on the client, proxy or server itself,
            not on one leg of a mirror
          tcpdump -i any -s 0 -B 65536 -w mysql.pcap 'tcp port 3306'

        Next: mysqlconn capture info captures/capture.pcap"
    `)
  })

  it('does not pretend that all is well when something was hidden', () => {
    const hidden: Report = report({ findings: [] })
    hidden.summary.blind.push('3 of 3 sessions are TLS and could not be read without keys.')
    const out = text(renderText(hidden, plain))
    expect(out).not.toContain('✔')
    expect(out).toContain('No broken session found among 3, but not everything could be seen')
  })

  it('names what limits an answer, and leaves harmless oddities out', () => {
    const r = report()
    r.inputs[0]!.anomalies.push(anomaly('capture.lost-segments', 12, 1044), anomaly('packet.bad-checksum', 900, 1))
    const out = text(renderText(r, plain))
    expect(out).toContain('capture.pcap: capture.lost-segments ×12, first at frame 1,044.')
    expect(out).not.toContain('bad-checksum')
  })

  it('says that it is partial, and that a rule of ours failed', () => {
    const out = text(
      renderText(
        report({
          partial: true,
          bugs: [{ rule: 'r', session: 'capture.pcap:1', message: 'x is not a function\n at y' }],
        }),
        plain,
      ),
    )
    expect(out).toContain('Partial: the run or an input broke off.')
    expect(out).toContain('A bug of ours: rule r failed on capture.pcap:1 (x is not a function).')
  })

  it('quotes paths in the commands it offers', () => {
    const r = report()
    r.inputs[0]!.path = "my captures/it's.pcap"
    const out = text(renderText(r, plain))
    expect(out).toContain(`mysqlconn sessions show capture.pcap:1 'my captures/it'\\''s.pcap'`)
    expect(out).toContain(`tshark -r 'my captures/it'\\''s.pcap' -Y 'tcp.stream==1 && frame.number>=7'`)
  })

  it('draws every leg and marks the cut on the one that was cut', () => {
    const front = session(1, {
      server: '10.20.0.20:3306',
      ending: { how: 'fin', by: 'server', command: 'COM_QUERY', silenceSeconds: 10, outcome: 'not-delivered' },
    })
    const back = session(3, { client: '10.20.0.20:34674', legOf: 'capture.pcap:1' })
    const f = finding({
      culprit: { role: 'proxy', address: '10.20.0.20', product: 'HAProxy' },
      occurrences: [occurrence(1, { server: front.server })],
    })
    const out = text(renderText(report({ sessions: [front, back], findings: [f] }), plain))
    expect(out).toContain(
      [
        '      orders 10.20.0.10:50001',
        '        ──────▶ HAProxy 10.20.0.20:3306',
        '              ╳ 17:10:02.400 FIN by the proxy, 10.0 s after the last byte',
        '        ──────▶ MySQL 8.4.3 10.20.0.30:3306',
      ].join('\n'),
    )
    expect(out).toContain('1 client → proxy 10.20.0.20:3306 → MySQL 8.4.3')
  })
})
