import { describe, expect, it } from 'vitest'
import { endpointKey, parseEndpoint } from '../../src/correlate/endpoint.ts'

describe('endpoints as logs write them', () => {
  it.each([
    ['10.0.0.1:40000', '10.0.0.1:40000'],
    ['[fd00::1]:40000', '[fd00::1]:40000'],
    ['[FD00::1]:40000', '[fd00::1]:40000'],
    ['fd00::1:40000', '[fd00::1]:40000'],
    ['10.0.0.1', null],
    ['app-3.internal:40000', null],
    ['::1', null],
    ['', null],
    ['10.0.0.1:99999', null],
    ['mysql_back/db1', null],
  ])('%s', (text, key) => {
    expect(endpointKey(text)).toBe(key)
  })

  it('a name keeps its port and is no address', () => {
    expect(parseEndpoint('db1.example.com:3306')).toEqual({ host: 'db1.example.com', port: 3306, isAddress: false })
  })
})
