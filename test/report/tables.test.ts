/** sessions, sessions show, rst, capture info: the tables and the ladder. */
import { describe, expect, it } from 'vitest'
import { renderCaptureInfo } from '../../src/report/capture-info-text.ts'
import { renderLadder } from '../../src/report/ladder.ts'
import type { CaptureInfoReport } from '../../src/report/model.ts'
import { renderRst } from '../../src/report/rst-table.ts'
import { renderSessions, SESSION_ORDERS, sortSessions } from '../../src/report/sessions-table.ts'
import { displayWidth } from '../../src/report/wrap.ts'
import {
  anomaly,
  ascii,
  CUT_SESSION,
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

describe('sessions', () => {
  it('at 80 columns drops whole columns and names them', () => {
    expect(text(renderSessions(report(), plain))).toMatchInlineSnapshot(`
      "
        ID              lasted  client            user  ended          cause
        capture.pcap:0  2.50 s  10.20.0.10:50000  app   FIN by client  -
        capture.pcap:1  2.40 s  10.20.0.10:50001  app   RST by server  rst-after-query
        capture.pcap:2  2.50 s  10.20.0.10:50002  app   FIN by client  -
        not shown for want of width: start, server, quiet, cmds, lost, state, retry

        3 sessions, 1 broken
        Next: mysqlconn sessions show capture.pcap:1 captures/capture.pcap"
    `)
  })

  it('at 120 columns', () => {
    expect(text(renderSessions(report(), wide))).toMatchInlineSnapshot(`
      "
        ID              start         lasted  client            server           user  ended          cause
        capture.pcap:0  17:10:00.000  2.50 s  10.20.0.10:50000  10.20.0.30:3306  app   FIN by client  -
        capture.pcap:1  17:10:00.000  2.40 s  10.20.0.10:50001  10.20.0.30:3306  app   RST by server  rst-after-query
        capture.pcap:2  17:10:00.000  2.50 s  10.20.0.10:50002  10.20.0.30:3306  app   FIN by client  -
        not shown for want of width: quiet, cmds, lost, state, retry

        3 sessions, 1 broken
        Next: mysqlconn sessions show capture.pcap:1 captures/capture.pcap"
    `)
  })

  it('has the same text with colour', () => {
    expect(withoutColor(text(renderSessions(report(), colored)))).toBe(text(renderSessions(report(), plain)))
  })

  it('stops at the limit and counts the rest', () => {
    const out = text(renderSessions(report(), plain, { limit: 1 }))
    expect(out).toContain('3 sessions, 1 broken, 2 more not shown')
    expect(out).not.toContain('capture.pcap:2 ')
  })

  it('sorts the same way whatever the input order', () => {
    const some = [session(3), CUT_SESSION, session(0, { mysql: null }), session(2)]
    for (const order of SESSION_ORDERS) {
      const once = sortSessions(some, order).map((s) => s.id)
      expect(
        sortSessions([...some].reverse(), order).map((s) => s.id),
        order,
      ).toEqual(once)
    }
    expect(sortSessions(some, 'silence')[0]!.id).toBe('capture.pcap:1')
    expect(text(renderSessions(report(), plain, { sort: 'silence' }))).toMatch(/^ {2}ID .* quiet /m)
  })
})

describe('rst', () => {
  it('says who, how long after, what was lost, and whether to retry', () => {
    expect([...renderRst(report(), plain)].slice(0, 9).join('\n')).toMatchInlineSnapshot(`
      "
        capture.pcap   1,470 frames, 16.1 s, from 2026-11-20 17:10:00 UTC, 3 MySQL
                       sessions: 1 client → MySQL 8.4.3 10.20.0.30:3306

        1 connection cut, 1 query lost

        ID              cut by         after  retry        lost
        capture.pcap:1  RST by MySQL  2.00 s  check first  UPDATE account SET bala…
        not shown for want of width: at, cause"
    `)
  })

  it('tells a RST that lost nothing from a cut', () => {
    const refused = session(4, {
      connState: 'REJ',
      ending: { how: 'rst', by: 'server', command: null, silenceSeconds: 0, outcome: 'none' },
    })
    const out = text(renderRst(report({ sessions: [CUT_SESSION, refused] }), wide))
    expect(out).toContain('1 connection cut, 1 query lost, 1 more ended with RST and lost nothing')
    expect(out).toMatch(/capture\.pcap:4 .*nothing lost .*refused/)
  })

  it('says so when there is none', () => {
    expect(text(renderRst(report({ findings: [], sessions: [session(0)] }), plain))).toContain('No connection was cut')
  })
})

describe('the ladder', () => {
  const trace = {
    session: 'capture.pcap:1',
    dropped: 7,
    events: [
      {
        at: '',
        offsetSeconds: 0.0001,
        frame: 4,
        dir: 'server' as const,
        layer: 'mysql' as const,
        what: 'greeting',
        says: '8.4.3, connection id 41',
      },
      {
        at: '',
        offsetSeconds: 0.4,
        frame: 7,
        dir: 'client' as const,
        layer: 'mysql' as const,
        what: 'COM_QUERY',
        says: 'UPDATE t SET a = 1 \x1b[2J',
      },
      { at: '', offsetSeconds: 1.1, frame: 0, dir: null, layer: 'log' as const, what: 'note', says: '' },
      {
        at: '',
        offsetSeconds: 2.4,
        frame: 1234567,
        dir: 'server' as const,
        layer: 'tcp' as const,
        what: 'RST',
        says: '',
        bytes: 0,
        emphasis: true,
      },
    ],
  }

  it('draws who said what, the frames, and the silences', () => {
    expect(text(renderLadder(report({ trace }), plain))).toMatchInlineSnapshot(`
      "
        capture.pcap:1
        app, schema shop, 10.20.0.10:50001 → MySQL 8.4.3 10.20.0.30:3306, connection
        id 41
        2026-11-20 17:10:00 UTC, 2.40 s, frames 11 to 19

             seconds    frame  client              server
                               7 earlier events left out
            0.000100        4  │◀────────── greeting ─│  8.4.3, connection id 41
            0.400000        7  │─ COM_QUERY ─────────▶│  UPDATE t SET a = 1 \\x1b[2J
            1.100000           │       · note ·       │
                               │        1.30 s        │
            2.400000  1234567  │◀─────────────── RST ─│  0 bytes

        Ended: RST by server, 2.00 s after the last byte; COM_QUERY reached the
        server, no answer came: it may have run, check before a retry
        ✖ MySQL 10.20.0.30 reset a connection with a command outstanding 2.00 s after
          the command; 1 UPDATE lost (likely; mysqlconn explain rst-after-query)
        Look: tshark -r captures/capture.pcap -Y 'tcp.stream==1'"
    `)
  })

  it('keeps its lanes straight in ASCII and in colour', () => {
    const lanes = (lines: Iterable<string>, mark: string): Set<number> =>
      new Set(
        [...lines]
          .map(withoutColor)
          .filter((l) => l.split(mark).length === 3)
          .map((l) => l.indexOf(mark)),
      )
    expect(lanes(renderLadder(report({ trace }), plain), '│').size).toBe(1)
    expect(lanes(renderLadder(report({ trace }), colored), '│').size).toBe(1)
    expect(lanes(renderLadder(report({ trace }), ascii), '|').size).toBe(1)
  })
})

describe('capture info', () => {
  const info: CaptureInfoReport = {
    path: 'a.pcapng.gz',
    format: 'pcapng',
    compression: 'gzip',
    packets: 1470,
    bytes: 212_552,
    firstAt: '2026-11-20T17:10:00.000001Z',
    lastAt: '2026-11-20T17:10:16.100001Z',
    durationSeconds: 16.1,
    linkTypes: ['EN10MB'],
    interfaces: [
      { name: 'eth0', linkType: 'EN10MB', snaplen: 128, filter: 'tcp port 3306', received: 1500, dropped: 30 },
    ],
    cutPackets: 69,
    snaplen: 128,
    connections: 12,
    mysqlSessions: 9,
    servers: [{ address: '10.20.0.30:3307', version: '8.4.3', sessions: 9, tls: 2 }],
    anomalies: [
      anomaly('capture.snaplen', 69, 4),
      anomaly('capture.kernel-drops', 1, 0, ['interface eth0: 30 of 1530']),
    ],
  }

  it('says what it holds, what it cannot show, and how to do better', () => {
    expect(text(renderCaptureInfo(info, plain))).toMatchInlineSnapshot(`
      "
        a.pcapng.gz
        format      pcapng, compressed with gzip, 212.6 kB on disk
        frames      1,470, 69 of them cut short
        time        2026-11-20 17:10:00 UTC to 2026-11-20 17:10:16 UTC, 16.1 s
        link types  EN10MB
        snaplen     128 bytes
        interfaces  eth0: EN10MB, 30 packets dropped while capturing, filter 'tcp port
                    3306'
        TCP         12 connections, 9 MySQL sessions
        servers     10.20.0.30:3307 8.4.3, 9 sessions, 2 with TLS

        What it cannot show, or shows oddly
          · capture.snaplen ×69 (first: frame 4). Frames were cut by the snapshot
            length: payload beyond it is unknown. Capture with tcpdump -s 0.
          · capture.kernel-drops ×1 (first: interface eth0: 30 of 1530). The capturing
            machine reports dropped packets: holes in the streams may be its own and
            not the network’s.

        To see more
          · capture whole packets: -s 0
          · give the capture a larger buffer (-B 65536) and a narrower filter, and
            write to a fast disk
          tcpdump -i any -s 0 -B 65536 -w mysql.pcap 'tcp port 3307'"
    `)
  })

  it('reports the second opinion', () => {
    const say = (crossCheck: CaptureInfoReport['crossCheck']): string =>
      text(renderCaptureInfo({ ...info, anomalies: [], crossCheck: crossCheck! }, wide))
    expect(say({ supported: true, agrees: true, frames: 1470 })).toContain(
      '✔ Second opinion (pcap-parser): agrees on 1,470 frames',
    )
    expect(say({ supported: true, agrees: false, frame: 3, ours: '60 bytes', theirs: '64 bytes' })).toContain(
      'differs at frame 3. Ours: 60 bytes. Its: 64 bytes.',
    )
    expect(say({ supported: false, why: 'pcapng' })).toContain('cannot read this file: pcapng')
  })
})

it('no table line passes the width while a column can still go', () => {
  const long = report({
    sessions: [session(1, { server: '[2001:db8:1111:2222:3333:4444:5555:6666]:3306' })],
    findings: [finding({ occurrences: [occurrence(1)] })],
  })
  for (const line of renderSessions(long, plain))
    if (!line.includes('Next:')) expect(displayWidth(line)).toBeLessThanOrEqual(80)
})
