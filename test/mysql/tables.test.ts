/** Tables and the small decoders around the login: names as in the manual, headers of proxies, products by version. */
import { describe, expect, it } from 'vitest'
import { Capability, capabilityNames, MariadbCapability } from '../../src/mysql/capabilities.ts'
import {
  Answer,
  answerOf,
  COMMANDS,
  commandName,
  plausibleCommand,
  takesStatementId,
} from '../../src/mysql/commands.ts'
import { ERROR_CODES } from '../../src/mysql/error-codes.ts'
import { flavorOf, plainVersion } from '../../src/mysql/flavor.ts'
import { decodeProxyHeader, proxyHeaderLength } from '../../src/mysql/messages/proxy-header.ts'
import { statusNames } from '../../src/mysql/status.ts'
import { zstdDecode } from '../../src/mysql/zstd.ts'
import * as b from '../kit/mysql-bytes.ts'

describe('commands', () => {
  it('have the bytes of enum_server_command', () => {
    const bytes = Object.fromEntries(COMMANDS.map((c) => [c.name, c.op]))
    expect(bytes).toMatchObject({
      COM_QUIT: 1,
      COM_QUERY: 3,
      COM_PING: 14,
      COM_STMT_PREPARE: 22,
      COM_RESET_CONNECTION: 31,
    })
    expect(bytes).toMatchObject({ COM_STMT_BULK_EXECUTE: 0xfa, COM_BINLOG_DUMP_GTID: 30, COM_CHANGE_USER: 17 })
    expect(new Set(COMMANDS.map((c) => c.op)).size).toBe(COMMANDS.length)
    expect(commandName(0x2a)).toBe('COM_0x2a')
  })
  it('know their answers', () => {
    const silent = COMMANDS.filter((c) => c.answer === Answer.none).map((c) => c.name)
    expect(silent).toEqual(['COM_QUIT', 'COM_STMT_SEND_LONG_DATA', 'COM_STMT_CLOSE'])
    expect(answerOf(200)).toBe(Answer.any)
    expect([takesStatementId(0x17), takesStatementId(0x16), takesStatementId(3)]).toEqual([true, false, false])
  })
  it('are plausible only with a length that fits', () => {
    expect([plausibleCommand(1, 1), plausibleCommand(1, 2), plausibleCommand(0x19, 5), plausibleCommand(0, 1)]).toEqual(
      [true, false, true, false],
    )
  })
})

it('flags by name', () => {
  expect(capabilityNames(0x80000201 | Capability.CLIENT_SSL, MariadbCapability.MARIADB_CLIENT_CACHE_METADATA)).toEqual([
    'CLIENT_LONG_PASSWORD',
    'CLIENT_PROTOCOL_41',
    'CLIENT_SSL',
    'CLIENT_REMEMBER_OPTIONS',
    'MARIADB_CLIENT_CACHE_METADATA',
  ])
  expect(statusNames(0x4003)).toEqual([
    'SERVER_STATUS_IN_TRANS',
    'SERVER_STATUS_AUTOCOMMIT',
    'SERVER_SESSION_STATE_CHANGED',
  ])
  expect(ERROR_CODES[4031]?.symbol).toBe('ER_CLIENT_INTERACTION_TIMEOUT')
})

it.each([
  ['8.4.3', 'caching_sha2_password', 'mysql'],
  ['5.5.5-10.11.6-MariaDB-1:10.11.6+maria~ubu2204', 'mysql_native_password', 'mariadb'],
  // Percona's release number looks like Debian's: no guess.
  ['8.0.34-26', 'caching_sha2_password', 'mysql'],
  ['5.7.40-43-log', 'mysql_native_password', 'mysql'],
  ['9.7.4-2', 'caching_sha2_password', 'mysql'],
  ['5.7.25-log', 'mysql_native_password', 'mysql'],
  ['8.0.11', 'mysql_native_password', 'proxysql'],
  ['8.0.11', 'caching_sha2_password', 'mysql'],
  ['8.0.11-TiDB-v7.5.0', 'mysql_native_password', 'tidb'],
  ['8.0.30-Vitess', 'mysql_native_password', 'vitess'],
  ['8.0.36-router', 'caching_sha2_password', 'router'],
  ['??', '', 'unknown'],
])('%s with %s is %s', (version, plugin, flavor) => {
  expect(flavorOf(version, plugin)).toBe(flavor)
})

it('the prefix for old replicas is no version', () => {
  expect(plainVersion('5.5.5-10.11.6-MariaDB')).toBe('10.11.6-MariaDB')
  expect(plainVersion('5.5.5-log')).toBe('5.5.5-log')
})

describe('PROXY protocol header', () => {
  const read = (bytes: b.Bytes) => decodeProxyHeader(bytes, 0, proxyHeaderLength(bytes, 0, bytes.length))
  const signature = b.hexBytes('0d0a0d0a000d0a515549540a')
  it.each([
    [
      'PROXY TCP6 ::1 fe80::2 1 3306\r\n',
      { version: 1, command: 'PROXY', source: '[::1]:1', destination: '[fe80::2]:3306' },
    ],
    ['PROXY UNKNOWN\r\n', { version: 1, command: 'UNKNOWN', source: '', destination: '' }],
  ])('%j', (line, header) => expect(read(b.join(line))).toEqual(header))
  it('version 2: IPv6, and LOCAL of a health check', () => {
    const ip = b.hexBytes('20010db8000000000000000000000001')
    const v6 = b.join(signature, 0x21, 0x21, b.bytes(0, 36), ip, ip, b.bytes(0x12, 0x34, 0x0c, 0xea))
    expect(read(v6)).toMatchObject({ version: 2, source: '[2001:db8::1]:4660', destination: '[2001:db8::1]:3306' })
    expect(read(b.join(signature, 0x20, 0, b.bytes(0, 0)))).toMatchObject({ version: 2, command: 'LOCAL' })
  })
  it('waits for the rest, and knows what it is not', () => {
    expect(proxyHeaderLength(b.join('PROX'), 0, 4)).toBe(-1)
    expect(proxyHeaderLength(signature, 0, 12)).toBe(-1)
    expect(proxyHeaderLength(b.join('PING'), 0, 4)).toBe(0)
    expect(proxyHeaderLength(b.join('PROXY ', 'x'.repeat(200)), 0, 206)).toBe(0)
  })
})

it('zstd that was not made ready is unreadable, not an error', () => {
  expect(zstdDecode(b.hexBytes('28b52ffd0001'), 10)).toBeNull()
})
