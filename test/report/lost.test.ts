/** One lost request is one, however often it was seen. */
import { expect, it } from 'vitest'
import { lostRequests } from '../../src/report/lost.ts'
import { finding, occurrence, report, session } from './fixtures.ts'

const lost = (sessions: Parameters<typeof session>[1][], outcomes: ('none' | 'delivered-unknown')[]) => {
  const r = report({
    sessions: sessions.map((over, i) => session(i, over)),
    findings: [finding({ occurrences: outcomes.map((outcome, i) => occurrence(i, { outcome })) })],
  })
  return lostRequests(r, r.findings)
}
const two = ['delivered-unknown', 'delivered-unknown'] as ('none' | 'delivered-unknown')[]

it('counts connections apart', () => expect(lost([{}, {}], two)).toBe(2))
it('counts both legs of a proxy once', () => expect(lost([{}, { legOf: 'capture.pcap:0' }], two)).toBe(1))
it('counts two captures of a connection once', () =>
  expect(lost([{ sameAs: ['capture.pcap:1'] }, { sameAs: ['capture.pcap:0'] }], two)).toBe(1))
it('two legs, each in two captures, are one', () => {
  const over = [
    { sameAs: ['capture.pcap:1'] },
    { sameAs: ['capture.pcap:0'] },
    { legOf: 'capture.pcap:0', sameAs: ['capture.pcap:3'] },
    { legOf: 'capture.pcap:1', sameAs: ['capture.pcap:2'] },
  ]
  expect(lost(over, [...two, ...two])).toBe(1)
})
it('a leg that lost nothing joins nothing', () =>
  expect(lost([{}, { legOf: 'capture.pcap:0' }], ['none', 'delivered-unknown'])).toBe(1))
