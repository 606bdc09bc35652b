/** --role and --clock-offset: what is typed and what the library is asked. */
import { describe, expect, it } from 'vitest'
import { analyzeOptions } from '../../src/cli/flags.ts'

describe('--role', () => {
  it('takes addresses and input names, IPv6 with or without brackets', () => {
    expect(analyzeOptions({ role: ['10.0.0.5=proxy', '[2001:db8::1]=server', 'app.pcap=client'] }).roles).toEqual({
      '10.0.0.5': 'proxy',
      '2001:db8::1': 'server',
      'app.pcap': 'client',
    })
  })

  it('refuses what it cannot read', () => {
    for (const role of ['10.0.0.5', '10.0.0.5=router', '=proxy'])
      expect(() => analyzeOptions({ role: [role] })).toThrow(/--role: cannot read/)
  })
})

describe('--clock-offset', () => {
  it('takes seconds, ahead or behind; names may hold an =', () => {
    expect(analyzeOptions({ 'clock-offset': ['a.pcap=+1.8', 'b.pcap=-3600s', 'c=d.pcap=0.25'] }).clockOffsets).toEqual({
      'a.pcap': 1.8,
      'b.pcap': -3600,
      'c=d.pcap': 0.25,
    })
  })

  it('refuses what it cannot read', () => {
    for (const text of ['a.pcap', 'a.pcap=soon', '=1', 'a.pcap=1:30'])
      expect(() => analyzeOptions({ 'clock-offset': [text] })).toThrow(/--clock-offset: cannot read/)
  })
})
